#include "weights/stacked_files.h"

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace lathe {

namespace {

// Cuts the stacks out of a file, in the order of its tensors.
class Cutter {
 public:
  Cutter(ByteReader& reader, DType dtype, i64 n_layers)
      : reader_(reader), dtype_(dtype), n_layers_(n_layers) {}

  // One tensor; of `stored` rows only the first shape[0] are the model's.
  void one(const std::string& name, std::vector<i64> shape, i64 stored = 0) {
    const i64 rows = shape[0], columns = shape.size() > 1 ? shape[1] : 1;
    const i64 row = stored_bytes(dtype_, columns);
    const auto bytes = take(checked_product(std::max(rows, stored), row, name.c_str()), name);
    tensors.push_back({name, dtype_, std::move(shape),
                       bytes.first(static_cast<size_t>(checked_product(rows, row, name.c_str())))});
  }
  // One a layer: "blk.3." + name.
  void each(const std::string& name, const std::vector<i64>& shape) {
    for (i64 layer = 0; layer < n_layers_; ++layer) one(format("blk.{}.{}", layer, name), shape);
  }
  std::span<const std::byte> take(i64 n, const std::string& what) {
    return reader_.take(static_cast<uint64_t>(n), what);
  }

  std::vector<TensorView> tensors;

 private:
  ByteReader& reader_;
  DType dtype_;
  i64 n_layers_;
};

i64 in_range(i64 value, i64 most, const char* what, const std::string& where) {
  if (value < 1 || value > most) {
    fail("[import] {}: the header says {} {}, expected 1 … {}; is this another format?", where,
         value, what, most);
  }
  return value;
}

void expect_end(const ByteReader& reader, const std::string& where) {
  if (reader.remaining() > 0) {
    fail(
        "[import] {}: {} bytes are left behind the weights that the header calls for; is this "
        "another format?",
        where, reader.remaining());
  }
}

ForeignConfig start_config(Family family) {
  ForeignConfig config{.family = &family_row(family), .spec = {}, .notes = {}};
  ModelSpec& spec = config.spec;
  spec.norm = config.family->norm;
  spec.norm_bias = config.family->norm_bias;
  spec.norm_eps = 1e-5;
  spec.activation = config.family->activations[0];
  spec.position = config.family->position;
  spec.dense_ffn_layers = {};
  return config;
}

class StackedSource : public WeightSource {
 public:
  StackedSource(MappedFile file, std::vector<TensorView> tensors)
      : WeightSource(file.path(), std::move(tensors)), file_(std::move(file)) {}
  void read_ahead() const override { file_.read_ahead(); }

 private:
  MappedFile file_;
};

}  // namespace

StackedContent parse_llm_c(std::span<const std::byte> file, const std::string& where) {
  constexpr int kHeaderInts = 256;
  ByteReader reader(file, "[import]", where);
  int32_t header[kHeaderInts];
  for (int32_t& x : header) x = reader.number<int32_t>("llm.c's header");
  if (header[0] != kLlmCMagic || (header[1] != 3 && header[1] != 5)) {
    fail("[import] {}: llm.c checkpoint {} version {}, expected {} version 3 (f32) or 5 (bf16)",
         where, header[0], header[1], kLlmCMagic);
  }
  StackedContent content{start_config(Family::kGpt2), {}};
  ModelSpec& spec = content.config.spec;
  spec.context_length = in_range(header[2], 1 << 24, "positions", where);
  spec.vocab_size = in_range(header[3], 1 << 24, "tokens", where);
  spec.n_layers = in_range(header[4], 4096, "layers", where);
  spec.n_heads = spec.n_kv_heads = in_range(header[5], 1 << 16, "heads", where);
  spec.d_model = in_range(header[6], 1 << 20, "channels", where);
  const i64 padded = in_range(header[7], 1 << 24, "padded tokens", where);
  if (padded < spec.vocab_size || spec.d_model % spec.n_heads) {
    fail("[import] {}: {} of {} padded tokens, {} channels in {} heads; the header is damaged",
         where, spec.vocab_size, padded, spec.d_model, spec.n_heads);
  }
  spec.d_head = spec.d_model / spec.n_heads;
  spec.d_ff = 4 * spec.d_model;
  blaming(where, [&] { make_plan(spec); });
  const i64 C = spec.d_model;
  Cutter cut(reader, header[1] == 3 ? DType::kF32 : DType::kBf16, spec.n_layers);
  cut.one("token_embd.weight", {spec.vocab_size, C}, padded);
  cut.one("position_embd.weight", {spec.context_length, C});
  cut.each("attn_norm.weight", {C});
  cut.each("attn_norm.bias", {C});
  cut.each("attn_qkv.weight", {3 * C, C});
  cut.each("attn_qkv.bias", {3 * C});
  cut.each("attn_output.weight", {C, C});
  cut.each("attn_output.bias", {C});
  cut.each("ffn_norm.weight", {C});
  cut.each("ffn_norm.bias", {C});
  cut.each("ffn_up.weight", {4 * C, C});
  cut.each("ffn_up.bias", {4 * C});
  cut.each("ffn_down.weight", {C, 4 * C});
  cut.each("ffn_down.bias", {C});
  cut.one("output_norm.weight", {C});
  cut.one("output_norm.bias", {C});
  expect_end(reader, where);
  content.tensors = std::move(cut.tensors);
  return content;
}

namespace {

// What comes behind either header.
void cut_llama2_c(Cutter& cut, const ModelSpec& spec, bool version_1) {
  const i64 C = spec.d_model, q = spec.n_heads * spec.d_head, kv = spec.n_kv_heads * spec.d_head;
  const auto embedding = [&] { cut.one("token_embd.weight", {spec.vocab_size, C}); };
  if (!version_1) embedding();
  cut.each("attn_norm.weight", {C});
  if (version_1) {
    cut.each("ffn_norm.weight", {C});
    cut.one("output_norm.weight", {C});
    embedding();
  }
  cut.each("attn_q.weight", {q, C});
  cut.each("attn_k.weight", {kv, C});
  cut.each("attn_v.weight", {kv, C});
  cut.each("attn_output.weight", {C, q});
  if (!version_1) cut.each("ffn_norm.weight", {C});
  cut.each("ffn_gate.weight", {spec.d_ff, C});
  cut.each("ffn_down.weight", {C, spec.d_ff});
  cut.each("ffn_up.weight", {spec.d_ff, C});
  if (!version_1) {
    cut.one("output_norm.weight", {C});
    // Tables of the rotation, which follow from the sizes.
    cut.take(stored_bytes(DType::kF32, spec.context_length * spec.d_head), "the rotary tables");
  }
  if (!spec.tie_embeddings) cut.one("output.weight", {spec.vocab_size, C});
}

}  // namespace

StackedContent parse_llama2_c(std::span<const std::byte> file, const std::string& where) {
  ByteReader reader(file, "[import]", where);
  int32_t first = reader.number<int32_t>("llama2.c's header");
  const bool version_1 = first == kLlama2CMagic;
  if (version_1) {
    const auto version = reader.number<int32_t>("the version");
    if (version != 1) {
      fail(
          "[import] {}: llama2.c's version {}, expected 1 or the format without a version; export "
          "the model in f32",
          where, version);
    }
    first = reader.number<int32_t>("the width");
  }
  StackedContent content{start_config(Family::kLlama), {}};
  ModelSpec& spec = content.config.spec;
  const auto next = [&](const char* what, i64 most) {
    return in_range(reader.number<int32_t>(what), most, what, where);
  };
  spec.d_model = in_range(first, 1 << 20, "numbers of a token", where);
  spec.d_ff = next("numbers of the feed-forward layer", 1 << 22);
  spec.n_layers = next("layers", 4096);
  spec.n_heads = next("heads", 1 << 16);
  spec.n_kv_heads = next("key heads", 1 << 16);
  const auto vocab = reader.number<int32_t>("the vocabulary");
  // The first format says by the sign that the head is apart.
  spec.tie_embeddings = vocab > 0;
  spec.vocab_size = in_range(vocab > 0 ? vocab : -i64{vocab}, 1 << 24, "tokens", where);
  spec.context_length = next("positions", 1 << 24);
  if (version_1) {
    constexpr size_t kHeaderBytes = 256;
    spec.tie_embeddings = reader.number<uint8_t>("whether the head is shared") != 0;
    reader.take(kHeaderBytes - reader.position(), "the rest of the header");
  }
  if (spec.d_model % spec.n_heads) {
    fail("[import] {}: {} numbers a token in {} heads; is this another format?", where,
         spec.d_model, spec.n_heads);
  }
  spec.d_head = spec.d_model / spec.n_heads;
  spec.linear_bias = false;
  spec.begin_token = spec.vocab_size > 2 ? 1 : -1;  // <s>, as llama2.c starts every text
  if (spec.vocab_size > 2) spec.end_tokens = {2, 1};
  blaming(where, [&] { make_plan(spec); });
  Cutter cut(reader, DType::kF32, spec.n_layers);
  cut_llama2_c(cut, spec, version_1);
  expect_end(reader, where);
  content.tensors = std::move(cut.tensors);
  return content;
}

StackedFile open_stacked(const std::string& path,
                         StackedContent (*parse)(std::span<const std::byte>, const std::string&)) {
  MappedFile file(path);
  StackedContent content = parse(file.bytes(), path);
  return {std::move(content.config),
          std::make_shared<const StackedSource>(std::move(file), std::move(content.tensors))};
}

}  // namespace lathe
