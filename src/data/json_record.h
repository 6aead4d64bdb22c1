// One line of JSON lines: its text, without building the rest of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/document_source.h"

namespace lathe {

inline constexpr const char* kTextKey = "text";

// Under which keys a line has what: a text, or a prompt and what is to follow it.
struct RecordKeys {
  std::string text = kTextKey, prompt = "prompt", completion = "completion";
};

// What a line holds. All of it is checked against RFC 8259 and to be UTF-8, but only the text must
// also have a value: a number of any size (1e999) or half of a surrogate pair is no matter
// elsewhere.
struct JsonRecord {
  std::optional<std::string> text;  // under `key` of the outermost object; of several the last
  std::string problem;              // "": none; else "at byte 12: found …, expected …"
  bool cut_short = false;           // the problem is that the line ends before the object does
};

// `line`: one object with blanks round it.
JsonRecord scan_json_record(std::string_view line, std::string_view key = kTextKey);

struct PromptedText {
  std::string text;         // of a prompt and a completion one behind the other
  size_t prompt_bytes = 0;  // of it, at the front
};

// The text of the record, or where it has none, and both other keys, prompt and completion. Throws
// BadDocument beginning with `where` where there is neither.
PromptedText parse_json_line(std::string_view line, const std::string& where,
                             const RecordKeys& keys = {});

}  // namespace lathe
