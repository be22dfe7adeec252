// What the node says in JSON, told to a person. The daemon states facts; here they become English,
// and only here. A key that is missing or null is left out of the telling, so that a newer or older
// node's answer still reads well. Everything that came from afar is made printable.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace byway::cli {

// Reading facts out of an answer: the value, or what stands for "not told".
std::string text_at(const boost::json::object& object, std::string_view key);
double number_at(const boost::json::object& object, std::string_view key, double otherwise = -1);
bool flag_at(const boost::json::object& object, std::string_view key);

// The peer's name, else the beginning of its id, from the keys "name" and `id_key`.
std::string who(const boost::json::object& object, std::string_view id_key = "id");

// "direct", "direct over TCP", "relayed by hub", "not connected": from "path" and "via".
std::string path_in_words(const boost::json::object& object);
// The same with how it came about: "direct (hole punched)".
std::string method_in_words(std::string_view method);

std::string status_in_words(const boost::json::object& status);
std::string echo_in_words(const boost::json::object& echo, std::string_view peer);
std::string ping_summary_in_words(const boost::json::object& summary, std::string_view peer);
std::string bench_in_words(const boost::json::object& result, std::string_view peer, bool reverse);

}  // namespace byway::cli
