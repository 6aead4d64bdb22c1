#include "data/text_format.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "data/shards.h"

namespace lathe {
namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view magic;
  const char* name;
  const char* advice;
  size_t offset = 0;
};

constexpr const char* kUnpack = "unpack it first";
constexpr const char* kConvert = "convert it to text or JSON lines";

// No text begins so.
constexpr Format kFormats[] = {
    {"\x1f\x8b"sv, "gzip inside of a compressed file", kUnpack},
    {"\x28\xb5\x2f\xfd"sv, "zstd inside of a compressed file", kUnpack},
    {"\xfd\x37zXZ\0"sv, "xz", "lathe reads gzip and zstd; unpack it first"},
    {"\x04\x22\x4d\x18"sv, "lz4", "lathe reads gzip and zstd; unpack it first"},
    {"\x1f\x9d"sv, "compress (.Z)", "lathe reads gzip and zstd; unpack it first"},
    {"PK\x03\x04"sv, "a zip archive", kUnpack},
    {"PK\x05\x06"sv, "an empty zip archive", kUnpack},
    {"7z\xbc\xaf\x27\x1c"sv, "a 7-zip archive", kUnpack},
    {"Rar!\x1a\x07"sv, "a RAR archive", kUnpack},
    {"\x7f\x45LF"sv, "a program (ELF)", "give text"},
    {"\xca\xfe\xba\xbe"sv, "a program (Java or Mach-O)", "give text"},
    {"\xcf\xfa\xed\xfe"sv, "a program (Mach-O)", "give text"},
    {"\x89PNG\r\n\x1a\n"sv, "a picture (PNG)", "give text"},
    {"\xff\xd8\xff"sv, "a picture (JPEG)", "give text"},
    {"%PDF-"sv, "PDF", kConvert},
    {"\x93NUMPY"sv, "a NumPy array", kConvert},
    {"\x89HDF\r\n\x1a\n"sv, "HDF5", kConvert},
    {"SQLite format 3\0"sv, "an SQLite database", kConvert},
    {"\xff\xfe"sv, "UTF-16 text", "convert it to UTF-8 (iconv)"},
    {"\xfe\xff"sv, "UTF-16 text", "convert it to UTF-8 (iconv)"},
};

// A text might begin with these letters: they count where the rest is not text.
constexpr Format kLetters[] = {
    {"BZh"sv, "bzip2", "lathe reads gzip and zstd; unpack it first"},
    {"ustar"sv, "a tar archive", kUnpack, 257},
    {"PAR1"sv, "Parquet, of which the end must be read first", "give the file itself, not packed"},
    {"ARROW1"sv, "Arrow", kConvert},
    {"GGUF"sv, "a model (GGUF)", "give text"},
    {"{\""sv, "a model (safetensors)", "give text", 8},
    {"\x80\x02"sv, "a Python pickle", kConvert},
    {"\x80\x04"sv, "a Python pickle", kConvert},
    {"GIF8"sv, "a picture (GIF)", "give text"},
    {"RIFF"sv, "sound or pictures (RIFF)", "give text"},
    {"OggS"sv, "sound (Ogg)", "give text"},
    {"ID3"sv, "sound (MP3)", "give text"},
    {"MZ"sv, "a program (Windows)", "give text"},
};

bool begins(std::string_view head, const Format& format) {
  return head.size() > format.offset && head.substr(format.offset).starts_with(format.magic);
}

// Control characters that no text has: all but the blanks, bell, backspace and escape.
bool is_odd_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 && !(byte >= 7 && byte <= 13) && byte != 0x1b;
}

bool looks_like_text(std::string_view head) {
  if (head.find('\0') != head.npos) return false;
  // The last character may go on behind a head that is full.
  const size_t wanted = head.size() < kFormatBytes ? head.size() : head.size() - 3;
  const bool utf8 = valid_utf8_prefix(head) >= wanted;
  return utf8 || std::none_of(head.begin(), head.end(), is_odd_control);
}

template <size_t n>
void refuse_known(std::string_view head, const Format (&formats)[n], const std::string& where) {
  for (const Format& format : formats) {
    if (begins(head, format)) {
      fail("[data] '{}' is {}, expected text or JSON lines; {}", where, format.name, format.advice);
    }
  }
}

}  // namespace

void check_is_text(std::string_view head, const std::string& where) {
  head = head.substr(0, kFormatBytes);
  if (begins_like_shard(head)) {
    fail(
        "[data] '{}' is a shard of tokens, expected text or JSON lines; give the text it was made "
        "of",
        where);
  }
  refuse_known(head, kFormats, where);
  if (looks_like_text(head)) return;
  refuse_known(head, kLetters, where);
  fail(
      "[data] '{}' is neither text nor a format that lathe knows ({}), expected text or JSON "
      "lines; "
      "--extension chooses among the files of a folder",
      where, head.find('\0') != head.npos ? "it has NUL bytes" : "control characters, not UTF-8");
}

}  // namespace lathe
