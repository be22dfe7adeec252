// Which Byway this is: shown by `byway --version`, and told to whoever asks a supernode how it is.
#pragma once

namespace byway {

inline constexpr const char* version = "0.1.0";

}  // namespace byway
