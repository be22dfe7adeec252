// Reads the tree, and holds every file to the rules of the house. Each rule is shown a file that
// breaks it first: a rule that cannot object protects nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/house/rules.h"

namespace byway::house {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace fs = std::filesystem;
using Rule = Findings (*)(const Source&);

bool is_generated(const fs::path& top) {
  const std::string name = top.string();
  return name.starts_with("build") || name == ".git" || name == "__pycache__";
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every file of the tree that a person wrote.
const std::vector<Source>& tree() {
  static const std::vector<Source> files = [] {
    std::vector<Source> out;
    const fs::path root = BYWAY_SOURCE_DIR;
    for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
         ++it) {
      const fs::path& path = it->path();
      if (it->is_directory() && is_generated(path.filename())) {
        it.disable_recursion_pending();
      } else if (it->is_regular_file() && it->file_size() < (1u << 20)) {
        out.push_back({fs::relative(path, root).generic_string(), read(path)});
      }
    }
    std::sort(out.begin(), out.end(),
              [](const Source& a, const Source& b) { return a.path < b.path; });
    return out;
  }();
  return files;
}

Findings in_the_tree(Rule rule) {
  Findings out;
  for (const Source& file : tree()) {
    const Findings found = rule(file);
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

Source file(std::string path, std::string text) {
  return {std::move(path), std::move(text)};
}

// ---- the tree as it is --------------------------------------------------------------------

TEST(House, TheTreeIsReallyRead) {
  const auto has = [](std::string_view path) {
    return std::any_of(tree().begin(), tree().end(),
                       [&](const Source& s) { return s.path == path && !s.text.empty(); });
  };
  EXPECT_TRUE(has("protocol/bytes.h"));
  EXPECT_TRUE(has("tests/house/house_test.cc"));
  EXPECT_TRUE(has("CMakeLists.txt"));
  EXPECT_TRUE(std::none_of(tree().begin(), tree().end(),
                           [](const Source& s) { return s.path.starts_with("build/"); }));
}

TEST(House, DependenciesPointOneWay) {
  EXPECT_THAT(in_the_tree(dependencies_point_one_way), IsEmpty());
}

TEST(House, TheCoreHasNoClockThreadSocketOrChanceOfItsOwn) {
  EXPECT_THAT(in_the_tree(core_is_sans_io), IsEmpty());
}

TEST(House, MachinesNeverIncludeOneAnother) {
  EXPECT_THAT(in_the_tree(machines_form_a_star), IsEmpty());
}

TEST(House, EveryHeaderOpensWithWhatItIsFor) {
  EXPECT_THAT(in_the_tree(header_opens_with_its_purpose), IsEmpty());
}

TEST(House, NoNameIsDefinedTwice) {
  EXPECT_THAT(names_are_defined_once(tree()), IsEmpty());
}

TEST(House, ForeignLibrariesStayBehindTheirFolder) {
  EXPECT_THAT(in_the_tree(foreign_libraries_stay_home), IsEmpty());
}

TEST(House, NothingNamesAPrivatePlaceOrARegistry) {
  EXPECT_THAT(in_the_tree(names_no_private_place), IsEmpty());
}

// ---- each rule can object -------------------------------------------------------------------

TEST(HouseRules, AnUpwardIncludeIsFound) {
  EXPECT_THAT(
      dependencies_point_one_way(file("protocol/seal.cc", "#include \"overlay/link/link.h\"\n")),
      ElementsAre(HasSubstr("overlay/link/link.h")));
  EXPECT_THAT(dependencies_point_one_way(file("overlay/link/link.cc", "# include \"node/log.h\"")),
              SizeIs(1));
  EXPECT_THAT(dependencies_point_one_way(file("node/main.cc", "#include \"tools/sim/nat.h\"\n")),
              SizeIs(1));
  EXPECT_THAT(dependencies_point_one_way(file("node/main.cc", "#include \"tests/world.h\"\n")),
              SizeIs(1));
  EXPECT_THAT(dependencies_point_one_way(file("node/a.cc", "#include \"../protocol/bytes.h\"\n")),
              SizeIs(1));
}

TEST(HouseRules, DownwardIncludesAndTestsAreFree) {
  EXPECT_THAT(dependencies_point_one_way(file(
                  "node/main.cc", "#include \"overlay/overlay.h\"\n#include \"protocol/bytes.h\"")),
              IsEmpty());
  EXPECT_THAT(dependencies_point_one_way(file("tests/a.cc", "#include \"tools/sim/nat.h\"")),
              IsEmpty());
}

TEST(HouseRules, AnythingThatTouchesTheWorldIsFoundInTheCore) {
  for (const char* bad : {"#include <thread>\n",
                          "#include <mutex>\n",
                          "#include <sys/socket.h>\n",
                          "#include <boost/asio/ip/udp.hpp>\n",
                          "#include <arpa/inet.h>\n",
                          "#include <fstream>\n",
                          "auto t = std::chrono::steady_clock::now();",
                          "auto t = Clock::now ();",
                          "long t = time(nullptr);",
                          "auto t = std::time(NULL);",
                          "std::random_device device;",
                          "int i = rand();",
                          "int i = std::rand() % 6;",
                          "randombytes_buf(out, 32);",
                          "std::mt19937 generator{1};",
                          "getrandom(out, 32, 0);",
                          "std::mutex guard;",
                          "int fd = ::socket(AF_INET, SOCK_DGRAM, 0);",
                          "if (sendto(fd, p, n, 0, a, l)) {}",
                          "clock_gettime(CLOCK_MONOTONIC, &t);",
                          "boost::asio::io_context io;"}) {
    EXPECT_THAT(core_is_sans_io(file("overlay/link/punch.cc", bad)), Not(IsEmpty())) << bad;
    EXPECT_THAT(core_is_sans_io(file("protocol/seal.h", bad)), Not(IsEmpty())) << bad;
    EXPECT_THAT(core_is_sans_io(file("node/clock.cc", bad)), IsEmpty()) << bad;
  }
}

TEST(HouseRules, WhatOnlyLooksLikeTheWorldIsLeftAlone) {
  for (const char* good :
       {"#include <chrono>\n", "// never call time(nullptr) here\n", "/* std::mutex\n */",
        "log(\"std::mutex and rand()\");", "random_.below(6);", "Duration time(int seconds);",
        "auto wait = on_time(0);", "auto operand(int i);", "on_socket(now);",
        "char c = '\"'; f();"})
    EXPECT_THAT(core_is_sans_io(file("overlay/link/punch.cc", good)), IsEmpty()) << good;
  EXPECT_THAT(core_is_sans_io(file("protocol/endpoint.cc", "#include <arpa/inet.h>\n")), IsEmpty());
  EXPECT_THAT(core_is_sans_io(file("overlay/stream/session.cc", "#include <netinet/in.h>\n")),
              IsEmpty());
}

TEST(HouseRules, AQuoteInACharacterDoesNotHideTheRest) {
  EXPECT_THAT(
      core_is_sans_io(file("overlay/a.cc", "char q = '\"'; int i = rand(); char r = '\"';")),
      SizeIs(1));
  EXPECT_THAT(core_is_sans_io(file("overlay/a.cc", "int n = 1'000; // '\nint i = rand();")),
              SizeIs(1));
}

TEST(HouseRules, CodeIsToldFromCommentsAndText) {
  EXPECT_EQ(without_comments("a; // b\nc /* d\n e */ f"), "a;  \nc \n  f");
  EXPECT_EQ(without_comments("s = \"// no comment\";"), "s = \"// no comment\";");
  EXPECT_EQ(without_strings("f(R\"x(\"rand()\")x\", \"\\\"\", 1'000);"), "f(\"\", \"\", 1'000);");
  EXPECT_THAT(includes("// #include <a>\n#include <b>\n #include \"c/d.h\"\n"),
              ElementsAre("b", "c/d.h"));
}

TEST(HouseRules, AMachineThatKnowsAnotherIsFound) {
  EXPECT_THAT(machines_form_a_star(
                  file("overlay/link/punch.cc", "#include \"overlay/mesh/peer_book.h\"\n")),
              ElementsAre(HasSubstr("peer_book.h")));
  EXPECT_THAT(machines_form_a_star(file("overlay/reach/nat.h", "#include \"overlay/overlay.h\"\n")),
              SizeIs(1));
  EXPECT_THAT(machines_form_a_star(
                  file("overlay/link/punch.cc",
                       "#include \"overlay/link/path.h\"\n#include \"overlay/core/timers.h\"\n")),
              IsEmpty());
  EXPECT_THAT(
      machines_form_a_star(file("overlay/overlay.cc", "#include \"overlay/mesh/membership.h\"\n")),
      IsEmpty());
}

TEST(HouseRules, AHeaderWithoutAPurposeIsFound) {
  for (const char* bad :
       {"#pragma once\n// Too late to tell what it is for, after the pragma.\n",
        "// link.h\n#pragma once\n", "", "\n// One blank line too many before it.\n",
        "// Copyright somebody, all rights and wrongs reserved.\n"})
    EXPECT_THAT(header_opens_with_its_purpose(file("overlay/link/link.h", bad)), SizeIs(1)) << bad;
  EXPECT_THAT(
      header_opens_with_its_purpose(
          file("overlay/link/link.h", "// Keeps two nodes talking\n// while addresses change.\n")),
      IsEmpty());
  EXPECT_THAT(header_opens_with_its_purpose(file("overlay/link/link.cc", "#include <map>\n")),
              IsEmpty());
}

TEST(HouseRules, ANameThatTwoHeadersDefineIsFound) {
  const auto found = [](const char* one, const char* other) {
    return names_are_defined_once({file("overlay/link/one.h", one), file("node/other.h", other)});
  };
  const char* shop = "namespace byway {\nclass Shop {\n};\n}  // namespace byway\n";
  EXPECT_THAT(found(shop, shop), ElementsAre(HasSubstr("byway::Shop is defined in overlay/link")));
  EXPECT_THAT(found(shop, "namespace byway {\nstruct Shop final : Base {\n};\n}\n"), SizeIs(1));
  EXPECT_THAT(found(shop, "namespace byway {\nenum class Shop : int { open };\n}\n"), SizeIs(1));
  EXPECT_THAT(found(shop, "namespace byway {\nclass Shop;\n}  // namespace byway\n"), IsEmpty());
  EXPECT_THAT(found(shop, "namespace byway {\nstruct Town {\n  class Shop {};\n};\n}\n"),
              IsEmpty());
  EXPECT_THAT(found(shop, "namespace byway::cli {\nclass Shop {\n};\n}\n"), IsEmpty());
}

TEST(HouseRules, AStrayingLibraryIsFound) {
  for (const char* path : {"node/runtime.cc", "overlay/link/link.h", "protocol/seal.cc"})
    EXPECT_THAT(foreign_libraries_stay_home(file(path, "#include <ngtcp2/ngtcp2.h>\n")), SizeIs(1));
  EXPECT_THAT(
      foreign_libraries_stay_home(file("overlay/stream/tls.cc", "#include <gnutls/gnutls.h>\n")),
      IsEmpty());

  for (const char* path : {"protocol/codec.h", "overlay/link/link.cc", "node/runtime.cc"})
    EXPECT_THAT(foreign_libraries_stay_home(file(path, "#include <capnp/message.h>\n")), SizeIs(1));
  EXPECT_THAT(
      foreign_libraries_stay_home(file("overlay/a.cc", "#include \"protocol/wire.capnp.h\"\n")),
      SizeIs(1));
  for (const char* path : {"protocol/codec.cc", "protocol/record.cc", "node/control_codec.cc",
                           "node/apps/app_codec.cc"})
    EXPECT_THAT(foreign_libraries_stay_home(file(path, "#include <kj/exception.h>\n")), IsEmpty());

  for (const char* path : {"overlay/link/relay.cc", "overlay/overlay.h", "tools/sim/nat.cc"})
    EXPECT_THAT(foreign_libraries_stay_home(file(path, "#include <sodium.h>\n")), SizeIs(1));
  EXPECT_THAT(foreign_libraries_stay_home(file("protocol/seal.cc", "#include <sodium.h>\n")),
              IsEmpty());
}

TEST(HouseRules, APrivatePlaceIsFound) {
  EXPECT_THAT(names_no_private_place(file("docs/a.md", std::string("see /wo") + "rk/notes")),
              SizeIs(1));
  EXPECT_THAT(names_no_private_place(file("tools/a", std::string("curl https://PY") + "PI.org/x")),
              SizeIs(1));
  EXPECT_THAT(names_no_private_place(file("docs/a.md", "a workshop at home")), IsEmpty());
}

}  // namespace
}  // namespace byway::house
