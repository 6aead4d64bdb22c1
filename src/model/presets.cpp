#include "model/presets.h"

#include <nlohmann/json.hpp>

#include "base/suggest.h"
#include "model/model_spec.h"

namespace lathe {

namespace {

// arXiv 2406.16450, its GPT-2 sizes with rotary positions; block_dense's rank and blocks vary.
struct Size {
  const char* name;
  i64 d_model, n_layers, n_heads, d_head;
  i64 block_dense_63[2], block_dense_32[2];  // rank, n_blocks
  double tokens;
};
constexpr Size kSizes[] = {
    {"gpt2-s", 768, 12, 12, 64, {512, 2}, {256, 2}, 2.2e9},
    {"gpt2-m", 1024, 24, 16, 64, {768, 4}, {384, 4}, 6.7e9},
    {"gpt2-l", 1536, 24, 12, 128, {1024, 2}, {512, 2}, 14.58e9},
    {"gpt2-xl", 2048, 24, 16, 128, {1536, 4}, {768, 4}, 25.5e9},
};

// The same paper's table 2: wider feed-forward layers, fewer key heads; low_rank where rank > 0.
struct Wide {
  const char* name;
  i64 d_model, n_heads, n_kv_heads, d_head, d_ff, rank;
  double tokens;
};
constexpr Wide kWide[] = {
    {"gpt2-m-gqa", 1024, 16, 4, 64, 4864, 0, 6.7e9},
    {"gpt2-l-gqa", 1536, 12, 2, 128, 7424, 0, 14.58e9},
    {"wide-structured-m", 1024, 8, 4, 64, 4864, 512, 10.58e9},
    {"wide-structured-l", 1536, 12, 4, 64, 7424, 768, 23.36e9},
};

// arXiv 2404.14462 on FineWeb-Edu.
struct Small {
  const char* name;
  TopologyKind topology;
  i64 kernel_size;
};
constexpr Small kSmall[] = {
    {"gpt-124m", TopologyKind::kGpt, 0},
    {"pgpt-124m", TopologyKind::kPgpt, 0},
    {"lgpt-124m", TopologyKind::kLgpt, 0},
    {"cgpt-124m", TopologyKind::kCgpt, 1},
};

constexpr Published kPublished[] = {
    {"gpt2-m", 335.08e6, 0, 1.548e19},
    {"gpt2-l", 729.11e6, 0, 7.034e19},
    {"gpt2-xl", 1274.14e6, 805.31e6, 2.102e20},
    {"gpt2-xl-lowrank63", 984.73e6, 515.90e6, 1.660e20},
    {"gpt2-xl-blockshuffle63", 984.73e6, 515.90e6, 1.660e20},
    {"gpt2-xl-blockdense63", 954.58e6, 485.75e6, 1.613e20},
    {"gpt2-xl-lowrank32", 743.56e6, 274.73e6, 1.291e20},
    {"gpt2-xl-blockshuffle32", 743.56e6, 274.73e6, 1.291e20},
    {"gpt2-xl-blockdense32", 728.49e6, 259.65e6, 1.268e20},
    {"gpt2-m-gqa", 335e6, 0, 1.55e19},
    {"gpt2-l-gqa", 729e6, 0, 7.03e19},
    {"wide-structured-m", 219e6, 0, 1.55e19},
    {"wide-structured-l", 464e6, 0, 7.03e19},
};

struct Preset {
  std::string name;
  ModelSpec spec;
  double tokens;
};

ModelSpec paper_size(const Size& size) {
  ModelSpec spec;
  spec.d_model = size.d_model;
  spec.n_layers = size.n_layers;
  spec.n_heads = spec.n_kv_heads = size.n_heads;
  spec.d_head = size.d_head;
  spec.d_ff = 4 * size.d_model;
  return spec;
}

std::vector<Preset> make_presets() {
  std::vector<Preset> list;
  for (const Size& size : kSizes) {
    const i64 d = size.d_model;
    const auto add = [&](const char* suffix, LinearOption ffn) {
      ModelSpec spec = paper_size(size);
      spec.ffn_linear = ffn;
      list.push_back({std::string(size.name) + suffix, spec, size.tokens});
    };
    add("", {});
    add("-lowrank63", {LinearKind::kLowRank, d / 2, 0});
    add("-lowrank32", {LinearKind::kLowRank, d / 4, 0});
    add("-blockdense63", {LinearKind::kBlockDense, size.block_dense_63[0], size.block_dense_63[1]});
    add("-blockdense32", {LinearKind::kBlockDense, size.block_dense_32[0], size.block_dense_32[1]});
    add("-blockshuffle63", {LinearKind::kBlockShuffle, 0, 2});
    add("-blockshuffle32", {LinearKind::kBlockShuffle, 0, 4});
  }
  for (const Wide& wide : kWide) {
    ModelSpec spec;
    spec.d_model = wide.d_model;
    spec.n_layers = 24;
    spec.n_heads = wide.n_heads;
    spec.n_kv_heads = wide.n_kv_heads;
    spec.d_head = wide.d_head;
    spec.d_ff = wide.d_ff;
    if (wide.rank) spec.ffn_linear = {LinearKind::kLowRank, wide.rank, 0};
    list.push_back({wide.name, spec, wide.tokens});
  }
  for (const Small& small : kSmall) {
    ModelSpec spec;
    spec.vocab_size = 50304;
    spec.topology.kind = small.topology;
    if (small.kernel_size) spec.topology.kernel_size = small.kernel_size;
    spec.norm_bias = spec.linear_bias = spec.tie_embeddings = false;
    spec.activation = Activation::kGelu;
    spec.position = Position::kLearned;
    spec.init_residual_scale = true;
    spec.tokenizer = "tokenizer.json";
    list.push_back({small.name, spec, 10e9});
  }
  return list;
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> list = make_presets();
  return list;
}

const Preset* find(const std::string& name) {
  for (const Preset& preset : presets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

const Preset& get(const std::string& name) {
  if (const Preset* preset = find(name)) return *preset;
  fail("[preset] no preset '{}'{}", name, did_you_mean(name, preset_names()));
}

}  // namespace

bool is_preset(const std::string& name) { return find(name) != nullptr; }

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return names;
}

Json preset_spec(const std::string& name) { return to_json(get(name).spec); }

double preset_tokens(const std::string& name) { return get(name).tokens; }

const Published* published_of(const std::string& preset) {
  for (const Published& row : kPublished) {
    if (preset == row.preset) return &row;
  }
  return nullptr;
}

}  // namespace lathe
