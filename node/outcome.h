// What an operator's command comes to: the thing asked for, or one plain sentence that names
// what is wrong and what to do about it. (A stranger's mistake is a Result and a counter.)
#pragma once

#include <boost/system/result.hpp>
#include <string>

namespace byway {

struct Problem {
  std::string sentence;
};

template <typename T>
using Outcome = boost::system::result<T, Problem>;

}  // namespace byway
