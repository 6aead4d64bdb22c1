// Turns the bytes of generated tokens into text that can be shown at once: whole UTF-8 characters,
// and nothing of a stop string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lathe::infer {

// One text; one thread at a time.
class TextStream {
 public:
  // Empty stop strings are an Error.
  explicit TextStream(std::vector<std::string> stops);

  // Takes a token's bytes and returns what is certain now. Held back: the beginning of a character,
  // and whatever may be the beginning of a stop string. Bytes that are no UTF-8 become U+FFFD.
  std::string push(std::string_view bytes);
  // The rest, at the end of the text; half a character becomes U+FFFD.
  std::string finish();
  // A stop string has been seen; it and all behind it is dropped.
  bool stopped() const { return stopped_; }

 private:
  std::string take(size_t n);

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace lathe::infer
