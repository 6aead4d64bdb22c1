// Text as `lathe data` reads it: plain or JSON lines, as it is or in gzip or zstd. The documents
// may not depend on where the reads happen to end, and a line of JSON is what nlohmann-json says.
// Input: a line that names the file, then it.
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "data/document_reader.h"
#include "fuzz/fuzz.h"

using namespace lathe;

namespace {

constexpr size_t kMostBytes = size_t{1} << 21;  // a few bytes may stand for gigabytes

// Bytes in memory, at most `chunk` at a time.
class MemorySource : public ByteSource {
 public:
  MemorySource(std::string_view bytes, size_t chunk) : bytes_(bytes), chunk_(chunk) {}
  size_t read(char* out, size_t n) override {
    FUZZ_CHECK(n > 0);
    const size_t got = bytes_.copy(out, std::min(n, chunk_));
    bytes_.remove_prefix(got);
    taken_ += static_cast<i64>(got);
    return got;
  }
  i64 bytes_taken() const override { return taken_; }

 private:
  std::string_view bytes_;
  size_t chunk_;
  i64 taken_ = 0;
};

// Ends with an Error where too much comes out of another source, and hands on `chunk` at a time.
class LimitedSource : public ByteSource {
 public:
  LimitedSource(std::unique_ptr<ByteSource> source, size_t chunk)
      : source_(std::move(source)), chunk_(chunk) {}
  size_t read(char* out, size_t n) override {
    const size_t room = std::min(n, chunk_);
    const size_t got = source_->read(out, room);
    FUZZ_CHECK(got <= room);
    if ((total_ += got) > kMostBytes) fail("too much for a fuzz target");
    return got;
  }
  i64 bytes_taken() const override { return source_->bytes_taken(); }

 private:
  std::unique_ptr<ByteSource> source_;
  size_t chunk_;
  size_t total_ = 0;
};

using Documents = std::vector<std::string>;

// Nothing where the bytes are refused.
std::optional<Documents> read_all(const std::string& name, std::string_view bytes,
                                  size_t input_chunk, size_t output_chunk) {
  try {
    auto source = unpack(std::make_unique<MemorySource>(bytes, input_chunk), name);
    DocumentStream stream(std::make_unique<LimitedSource>(std::move(source), output_chunk), name,
                          {.split_on = "<>", .most_bytes = 500});
    Documents documents;
    for (std::string text;;) {
      try {
        if (!stream.next(text)) return documents;
        FUZZ_CHECK(!text.empty());
        documents.push_back(text);
      } catch (const BadDocument& bad) {
        documents.push_back(bad.what());  // reading goes on behind it
      }
    }
  } catch (const Error&) {
    return std::nullopt;
  }
}

// A number that may have no double.
bool has_exponent(std::string_view line) {
  for (size_t i = 1; i < line.size(); ++i) {
    if ((line[i] | 0x20) == 'e' && line[i - 1] >= '0' && line[i - 1] <= '9') return true;
  }
  return false;
}

// What nlohmann-json reads has the same text here. What it refuses is refused here too, but for
// numbers without a double and halves of surrogate pairs outside of the text.
void check_record(std::string_view line) {
  const JsonRecord record = scan_json_record(line);
  FUZZ_CHECK(record.problem.empty() || !record.text);
  FUZZ_CHECK(!record.cut_short || !record.problem.empty());
  if (line.find('\0') != line.npos) return;  // ends the text for nlohmann-json
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!record.problem.empty()) {
    FUZZ_CHECK(!json.is_object());
  } else if (json.is_discarded()) {
    FUZZ_CHECK(has_exponent(line) || line.find("\\u") != line.npos || line.size() > 300);
  } else {
    const auto text = json.find("text");
    const bool has_text = text != json.end() && text->is_string();
    FUZZ_CHECK(has_text == record.text.has_value());
    if (has_text) FUZZ_CHECK(*record.text == text->get<std::string>());
  }
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  FUZZ_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  FUZZ_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::as_text(data, size);
  const size_t cut = std::min(input.find('\n'), input.size());
  const std::string name(input.substr(0, cut));
  const std::string_view bytes = input.substr(std::min(cut + 1, input.size()));
  const auto whole = read_all(name, bytes, bytes.size() + 1, kMostBytes);
  const auto pieces = read_all(name, bytes, 3, 7);
  // zstd looks at more when it gets a frame in pieces, and may refuse it only then.
  if (!name.ends_with(".zst")) FUZZ_CHECK(whole.has_value() == pieces.has_value());
  if (whole && pieces) FUZZ_CHECK(*whole == *pieces);
  if (whole) ++fuzz::n_accepted;
  check_record(bytes);
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  const std::string text = "one<>two <><three\n<>";
  const std::string lines =
      "{\"text\":\"a\\u00e9\\n\",\"id\":1}\r\n\n  \n{\"text\":\"\"}\n{\"text\":\"b\"}";
  std::string mixed;
  for (int i = 0; i < 400; ++i) mixed += std::to_string(i * 7919 % 1009) + (i % 9 ? " " : "<>");
  return {
      "a.txt\n" + text,
      "a.jsonl\n" + lines,
      "part-0\n" + lines,
      "a.json\n{\"n\":[1,-2.5e3,{\"k\":null}],\"s\":\"\\ud83d\\ude00\",\"text\":\"a\\tb\"}",
      "a\n{\"text\":\"a\"}\n{\"text\":\"b\",\"x\":1e999}",
      "a\n" + gzip(lines),
      "a.gz\n" + gzip(text) + gzip("more"),
      "a.gz\n" + gzip(mixed),
      "a.jsonl.gz\n" + gzip(lines),
      "a.zst\n" + zstd(mixed) + zstd(text),
      "a.jsonl.zst\n" + zstd(lines),
  };
}
