// The few settings of a SentencePiece model that its library does not tell.
#pragma once

#include <string_view>

namespace lathe {

struct SentencePieceSettings {
  bool readable = true;  // false: the bytes below are not understood, and nothing is known
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_is_suffix = false;
  bool normalizes = false;    // has a character map
  bool merges_pairs = false;  // byte-pair encoding; else unigram, whole words or characters

  // Spaces are kept as they are, one is put before the text, and merges do not see beyond a word:
  // "a b" is "a", then "b". A unigram search compares sums over the whole text, whose rounding
  // decides between pieces that score alike: it has to see the text as a whole.
  bool keeps_words_apart() const {
    return readable && merges_pairs && add_dummy_prefix && !remove_extra_whitespaces &&
           escape_whitespaces && !whitespace_is_suffix && !normalizes;
  }
};

// From the bytes of a model (a protobuf message); any bytes.
SentencePieceSettings parse_sentencepiece_settings(std::string_view model);

}  // namespace lathe
