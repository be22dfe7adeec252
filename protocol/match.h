// One case for each kind of a variant: std::visit(Match{[](const Ping&) …, [](const Pong&) …}, m).
#pragma once

namespace byway {

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Match(Cases...) -> Match<Cases...>;

}  // namespace byway
