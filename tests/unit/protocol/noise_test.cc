#include "protocol/noise.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "tests/unit/protocol/people.h"

namespace byway::noise_test {
namespace {

const Crypto& crypto = sodium_crypto();

// The published test vector for our protocol name.
boost::json::object published_vector() {
  std::ifstream file(BYWAY_SOURCE_DIR "/tests/vectors/noise-ik.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const boost::json::value file_content = boost::json::parse(text);
  for (const auto& vector : file_content.at("vectors").as_array())
    if (vector.at("protocol_name").as_string() == "Noise_IK_25519_ChaChaPoly_SHA256")
      return vector.as_object();
  return {};
}

Bytes hex_field(const boost::json::value& object, const char* name) {
  return from_hex(std::string_view(object.at(name).as_string()));
}

KeyPair key_field(const boost::json::value& object, const char* name) {
  Key secret;
  const Bytes raw = hex_field(object, name);
  std::copy(raw.begin(), raw.end(), secret.begin());
  return KeyPair::from_secret(crypto, secret);
}

TEST(Noise, SpeaksThePublishedVectorsByteForByte) {
  const boost::json::value vector = published_vector();
  ASSERT_FALSE(vector.as_object().empty());
  const auto& messages = vector.at("messages").as_array();
  const KeyPair ana = key_field(vector, "init_static"), bo = key_field(vector, "resp_static");
  ASSERT_EQ(to_bytes(bo.pub), hex_field(vector, "init_remote_static"));

  NoiseInitiator initiator(crypto, hex_field(vector, "init_prologue"), ana, bo.pub);
  const auto message1 = initiator.write_message1(key_field(vector, "init_ephemeral"),
                                                 hex_field(messages[0], "payload"));
  ASSERT_TRUE(message1);
  EXPECT_EQ(to_hex(*message1), std::string_view(messages[0].at("ciphertext").as_string()));

  const auto responder =
      NoiseResponder::read_message1(crypto, hex_field(vector, "resp_prologue"), bo, *message1);
  ASSERT_TRUE(responder);
  EXPECT_EQ(responder->payload(), hex_field(messages[0], "payload"));
  EXPECT_EQ(responder->initiator(), ana.pub);
  const auto [message2, bo_keys] = responder->write_message2(key_field(vector, "resp_ephemeral"),
                                                             hex_field(messages[1], "payload"));
  EXPECT_EQ(to_hex(message2), std::string_view(messages[1].at("ciphertext").as_string()));

  const auto finished = initiator.read_message2(message2);
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->payload, hex_field(messages[1], "payload"));
  EXPECT_EQ(to_bytes(finished->keys.hash), hex_field(vector, "handshake_hash"));
  EXPECT_EQ(bo_keys.hash, finished->keys.hash);

  // Then they talk in turn, each direction counting from zero.
  ASSERT_GT(messages.size(), 4u);
  for (std::size_t i = 2; i < messages.size(); ++i) {
    const Key& key = i % 2 == 0 ? finished->keys.to_responder : bo_keys.to_initiator;
    const Bytes plaintext = hex_field(messages[i], "payload");
    Bytes ciphertext(plaintext.size() + tag_size);
    crypto.seal(key, (i - 2) / 2, {}, plaintext, ciphertext);
    EXPECT_EQ(to_hex(ciphertext), std::string_view(messages[i].at("ciphertext").as_string())) << i;
  }
}

TEST(Noise, AnyChangedByteIsNoticed) {
  const KeyPair ana = KeyPair::from_secret(crypto, Key{1}),
                bo = KeyPair::from_secret(crypto, Key{2});
  NoiseInitiator initiator(crypto, bytes_of("p"), ana, bo.pub);
  Bytes message = *initiator.write_message1(KeyPair::from_secret(crypto, Key{3}), bytes_of("hi"));
  for (std::size_t i = 0; i < message.size(); ++i) {
    // The top bit of an X25519 key is ignored by the curve, but not by the hash over it.
    message[i] ^= 0x80;
    EXPECT_FALSE(NoiseResponder::read_message1(crypto, bytes_of("p"), bo, message)) << i;
    message[i] ^= 0x80;
  }
  EXPECT_FALSE(NoiseResponder::read_message1(crypto, bytes_of("q"), bo, message));
  EXPECT_TRUE(NoiseResponder::read_message1(crypto, bytes_of("p"), bo, message));
}

TEST(Noise, AnEphemeralKeyOfSmallOrderIsRefusedBeforeAnyDecryption) {
  const KeyPair bo = KeyPair::from_secret(crypto, Key{2});
  const Bytes zeros(noise_message1_overhead);
  EXPECT_EQ(NoiseResponder::read_message1(crypto, {}, bo, zeros).error(), Error::bad_key);
  EXPECT_EQ(NoiseResponder::read_message1(crypto, {}, bo, ByteView(zeros).first(95)).error(),
            Error::truncated);
}

}  // namespace
}  // namespace byway::noise_test
