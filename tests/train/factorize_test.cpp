// lathe factorize as a user runs it, on tiny models.
#include "train/factorize/factorize.h"

#include <doctest/doctest.h>

#include <fstream>

#include "one_block.h"
#include "support/error_text.h"
#include "support/run_program.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;
namespace fs = std::filesystem;

namespace {

ModelSpec dense_spec() {
  ModelSpec spec = test::tiny_spec();
  spec.vocab_size = 257;
  spec.n_layers = 2;
  return spec;
}

// A folder with a dense model and a text.
struct Case {
  explicit Case(const ModelSpec& spec = dense_spec(), uint64_t seed = 5) {
    fs::create_directories(folder.file("model"));
    weights = test::random_weights(make_plan(spec), seed);
    test::write_model(spec, weights, folder.file("model"));
    std::ofstream(folder.file("text.txt")) << small_text(12000);
  }
  test::ProgramResult run(std::vector<std::string> more, const std::string& out = "out") const {
    std::vector<std::string> command = {LATHE_BIN_DIR "/lathe-train",
                                        "factorize",
                                        folder.file("model"),
                                        "--out",
                                        folder.file(out),
                                        "--tokens",
                                        "4000",
                                        "--check-tokens",
                                        "400",
                                        "--threads",
                                        "1",
                                        "--json"};
    command.insert(command.end(), more.begin(), more.end());
    return test::run_program(command);
  }
  std::vector<std::string> with_text(std::vector<std::string> more) const {
    more.insert(more.end(), {"--calibrate", folder.file("text.txt")});
    return more;
  }
  test::TempDir folder;
  test::TinyWeights weights;
};

const std::vector<std::string> kLowRankHalf = {"--set", "ffn_linear.kind=low_rank", "--share",
                                               "0.5"};

std::string bytes_of(const std::string& path) { return read_text_file(path); }

}  // namespace

TEST_CASE("factorize: the share of every kind and method is kept, and the model is whole") {
  const Case c;
  for (const char* kind : {"low_rank", "block_dense", "block_shuffle"}) {
    for (const char* method : {"plain", "whitened", "kfac"}) {
      CAPTURE(kind);
      CAPTURE(method);
      const auto result = c.run(c.with_text({"--set", std::string("ffn_linear.kind=") + kind,
                                             "--share", "0.6", "--method", method, "--force"}));
      REQUIRE_MESSAGE(result.status == 0, result.err);
      const Json report = Json::parse(result.out);
      CHECK(report["linears"].size() == 4);
      CHECK(report["share"].get<double>() <= 0.6);
      CHECK(report["share"].get<double>() > 0.4);
      const ModelDirectory made = open_model_directory(c.folder.file("out"));
      const ModelValues values = values_of(made.plan, made.weights);  // checks every tensor
      CHECK(name_of(made.plan.spec.ffn_linear.kind) == kind);
      CHECK(report["kl"].get<double>() > 0);
    }
  }
}

TEST_CASE(
    "factorize: attention's linears too, each group within the share, with a layer left out") {
  const Case c;
  const auto result =
      c.run(c.with_text({"--set", "ffn_linear.kind=block_dense", "--set", "ffn_linear.n_blocks=3",
                         "--set", "attention_linear.kind=low_rank", "--set", "dense_ffn_layers=[1]",
                         "--share", "0.5", "--method", "kfac"}));
  REQUIRE_MESSAGE(result.status == 0, result.err);
  const ModelDirectory made = open_model_directory(c.folder.file("out"));
  for (const BlockSpec* block : all_blocks(made.plan)) {
    for (const BlockLinear& l : block_linears(*block)) {
      CAPTURE(l.name);
      const bool attention = l.role == Role::kAttention;
      const bool replaced = attention || block->layer == 0;
      CHECK(l.spec->kind == (!replaced   ? LinearKind::kDense
                             : attention ? LinearKind::kLowRank
                                         : LinearKind::kBlockDense));
      if (replaced && !attention) CHECK(l.spec->n_blocks == 3);
    }
  }
  const auto allocated = c.run(
      c.with_text({"--set", "ffn_linear.kind=low_rank", "--set", "attention_linear.kind=low_rank",
                   "--share", "0.5", "--allocate", "--method", "kfac"}),
      "allocated");
  REQUIRE_MESSAGE(allocated.status == 0, allocated.err);
  CHECK(Json::parse(allocated.out)["checked_tokens"].get<i64>() > 0);
}

TEST_CASE("factorize: learning from text beats not learning, on the text it was not shown") {
  const Case c;
  std::map<std::string, double> kl;
  for (const char* method : {"plain", "whitened"}) {
    auto options = kLowRankHalf;
    options.insert(options.end(), {"--method", method, "--force"});
    const auto result = c.run(c.with_text(options));
    REQUIRE_MESSAGE(result.status == 0, result.err);
    kl[method] = Json::parse(result.out)["kl"].get<double>();
  }
  CHECK(kl["whitened"] < kl["plain"]);
}

TEST_CASE("factorize: a model that is structured in truth loses nothing") {
  ModelSpec spec = dense_spec();
  spec.ffn_linear = {LinearKind::kLowRank, 9, 0};
  Case c(spec);
  // Its dense twin, and from there back.
  const ModelDirectory low = open_model_directory(c.folder.file("model"));
  const ModelValues dense = merged(values_of(low.plan, low.weights));
  test::TinyWeights merged_weights;
  for (const TensorInfo& info : tensor_list(dense.plan)) {
    merged_weights[info.name] = dense.read(info);
  }
  test::write_model(dense.plan.spec, merged_weights, c.folder.file("model"));
  const auto result = c.run(c.with_text(
      {"--set", "ffn_linear.kind=low_rank", "--set", "ffn_linear.rank=9", "--method", "whitened"}));
  REQUIRE_MESSAGE(result.status == 0, result.err);
  const Json report = Json::parse(result.out);
  CHECK(std::abs(report["kl"].get<double>()) < 1e-4);
  for (const Json& l : report["linears"]) CHECK(l["kept"].get<double>() > 1 - 1e-5);
}

TEST_CASE("factorize: a bias takes the mean error out of a linear's output") {
  const Case c;
  auto options = kLowRankHalf;
  options.insert(options.end(), {"--method", "whitened"});
  REQUIRE(c.run(c.with_text(options)).status == 0);
  const ModelDirectory before = open_model_directory(c.folder.file("model"));
  const ModelDirectory after = open_model_directory(c.folder.file("out"));
  const auto tensor = [](const ModelDirectory& model, const std::string& name) {
    const TensorView& view = model.weights->get(name);
    return at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, at::kFloat).clone();
  };
  // The first block's feed-forward layer sees the same in both: nothing before it has changed.
  const std::string part = "blocks.0.ffn.up";
  const at::Tensor error = tensor(before, part + ".weight") -
                           at::mm(tensor(after, part + ".u"), tensor(after, part + ".v"));
  const at::Tensor shift = tensor(after, part + ".bias") - tensor(before, part + ".bias");
  // The mean input, from a model run over the same windows.
  Parameters parameters(before.plan, at::kCPU, Precision::kF32);
  for (Parameter& p : parameters.list()) p.value.copy_(tensor(before, p.info.name));
  const auto tokenizer = make_byte_tokenizer();
  const TokenSource text = open_token_source(c.folder.file("text.txt"), *tokenizer, 257, -1);
  const CalibrationText cut = cut_windows(text, 48, 4000 / 48, 400 / 48, "t");
  Moments moments;
  moments.source.n_windows = static_cast<i64>(cut.windows.size());
  moments.linears[part] = {at::zeros({48, 48}), at::zeros({48}), {}};
  MomentCollector collector(moments);
  Model model(before.plan, parameters, false, nullptr, &collector);
  collect(
      model, moments, cut.windows, [](i64, i64) {}, nullptr);
  const at::Tensor mean = mean_input(moments, moments.linears.at(part)).to(at::kFloat);
  CHECK(relative(shift, at::mv(error, mean)) < 1e-3);
}

TEST_CASE("factorize: an allocation keeps to the share and gives less where it matters less") {
  ModelSpec spec = dense_spec();
  Case c(spec);
  // What the last block's feed-forward layer writes hardly counts.
  for (float& x : c.weights.at("blocks.1.ffn.down.weight")) x *= 1e-3f;
  test::write_model(spec, c.weights, c.folder.file("model"));
  auto options = kLowRankHalf;
  options.insert(options.end(), {"--method", "whitened", "--allocate"});
  const auto result = c.run(c.with_text(options));
  REQUIRE_MESSAGE(result.status == 0, result.err);
  const Json report = Json::parse(result.out);
  const ModelDirectory made = open_model_directory(c.folder.file("out"));
  i64 structured = 0, first = 0, last = 0;
  for (const BlockSpec* block : all_blocks(made.plan)) {
    for (const BlockLinear& l : block_linears(*block)) {
      if (l.role != Role::kFfn) continue;
      structured += linear_weights(*l.spec);
      (block->layer == 0 ? first : last) += linear_weights(*l.spec);
    }
  }
  CHECK(structured <= 2 * 2 * 48 * 96 / 2);
  CHECK(structured > 2 * 2 * 48 * 96 / 2 * 0.95);
  CHECK(first > 2 * last);
  CHECK(report["share"].get<double>() == doctest::Approx(structured / (4 * 48.0 * 96)));
  for (const Json& l : report["linears"]) CHECK(l["measured_kl"].get<double>() >= 0);
}

TEST_CASE("factorize: what was measured of single linears is kept and decides other shares too") {
  const Case c;
  const std::string stats = c.folder.file("stats"), kept = stats + ".kl";
  auto options = kLowRankHalf;
  options.insert(options.end(),
                 {"--method", "whitened", "--allocate", "--force", "--stats", stats});
  REQUIRE(c.run(c.with_text(options)).status == 0);
  Json file = Json::parse(bytes_of(kept));
  REQUIRE(file["kl"].size() == 4);

  // By what stands there, one linear counts for everything.
  const auto largest = [&](const std::string& share) {
    options[3] = share;
    const auto result = c.run(c.with_text(options));
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const ModelDirectory made = open_model_directory(c.folder.file("out"));
    std::string part;
    i64 most = 0;
    for (const BlockSpec* block : all_blocks(made.plan)) {
      for (const BlockLinear& l : block_linears(*block)) {
        if (l.role != Role::kFfn || linear_weights(*l.spec) <= most) continue;
        most = linear_weights(*l.spec);
        part = l.name;
      }
    }
    return part;
  };
  for (const std::string part : {"blocks.0.ffn.down", "blocks.1.ffn.up"}) {
    Json edited = file;
    for (auto& [change, kl] : edited["kl"].items()) {
      kl = test::contains(change, part) ? 1.0 : 1e-9;
    }
    std::ofstream(kept) << edited.dump();
    CHECK(largest("0.4") == part);
    CHECK(Json::parse(bytes_of(kept)) == edited);
    edited["text"] = "of another text";
    std::ofstream(kept) << edited.dump();
    largest("0.4");
    CHECK(Json::parse(bytes_of(kept)) == file);  // measured again
  }

  for (const char* bad : {"[]", "{", R"({"model": 1})", R"({"model": "a"})"}) {
    std::ofstream(kept) << bad;
    const auto result = c.run(c.with_text(options));
    CHECK(result.status == 1);
    CHECK_MESSAGE(test::contains(result.err, "stats.kl"), result.err);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  }
  file["kl"].begin().value() = -1;
  std::ofstream(kept) << file.dump();
  CHECK(test::contains(c.run(c.with_text(options)).err, "expected a number of nats"));
}

TEST_CASE("factorize: statistics kept in a file give the same model without the text") {
  const Case c;
  const std::string stats = c.folder.file("stats");
  auto options = kLowRankHalf;
  options.insert(options.end(), {"--method", "kfac", "--stats", stats});
  REQUIRE(c.run(c.with_text(options)).status == 0);
  const auto again = c.run(options, "again");
  REQUIRE_MESSAGE(again.status == 0, again.err);
  CHECK(bytes_of(c.folder.file("again/model.safetensors")) ==
        bytes_of(c.folder.file("out/model.safetensors")));

  const auto refused = [&](const Case& other, std::vector<std::string> more,
                           const std::string& why) {
    const auto result = other.run(std::move(more), "refused");
    CHECK(result.status == 1);
    CHECK_MESSAGE(test::contains(result.err, why), result.err);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(!fs::exists(other.folder.file("refused")));
  };
  const Case other(dense_spec(), 6);
  refused(other, options, "statistics of another model");
  std::ofstream(c.folder.file("other.txt")) << small_text(9000);
  auto elsewhere = options;
  elsewhere.insert(elsewhere.end(), {"--calibrate", c.folder.file("other.txt")});
  refused(c, elsewhere, "another text");
  auto whitened = kLowRankHalf;
  const std::string inputs_only = c.folder.file("inputs");
  whitened.insert(whitened.end(), {"--method", "whitened", "--stats", inputs_only, "--force"});
  REQUIRE(c.run(c.with_text(whitened)).status == 0);
  whitened[5] = "kfac";
  refused(c, whitened, "no output gradients");
  std::ofstream(c.folder.file("stats")) << "not a safetensors file";
  refused(c, options, "stats");
}

TEST_CASE("factorize: what cannot be is refused in one line, and nothing is written") {
  const Case c;
  std::ofstream(c.folder.file("empty.txt")) << "";
  const struct {
    std::vector<std::string> options;
    std::string why;
  } cases[] = {
      {{"--share", "0.5"}, "every linear is dense"},
      {{}, "no linear changes"},
      {{"--set", "ffn_linear.kind=low_rank", "--share", "0.001"}, "smallest low_rank"},
      {{"--set", "ffn_linear.kind=low_rank"}, "rank 0"},
      {{"--set", "ffn_linear.kind=low_rank", "--set", "ffn_linear.rank=7", "--share", "0.5"},
       "both a size and --share"},
      {{"--set", "ffn_linear.kind=block_dense", "--set", "ffn_linear.n_blocks=5", "--share", "0.5"},
       "n_blocks 5"},
      {{"--set", "ffn_linear.kind=low_rank", "--set", "ffn_linear.rank=49"}, "rank 49"},
      {{"--set", "d_ff=97", "--share", "0.5"}, "more than linears"},
      {{"--set", "ffn_linear.kind=low_rank", "--share", "0.5", "--method", "whitened"},
       "--calibrate"},
      {{"--set", "ffn_linear.kind=low_rank", "--share", "0.5", "--allocate"}, "--calibrate"},
      {{"--set", "ffn_linear.kind=low_rank", "--set", "ffn_linear.rank=7", "--allocate",
        "--calibrate", c.folder.file("text.txt")},
       "give --share"},
      {{"--set", "ffn_linear.kind=low_rank", "--share", "0.5", "--calibrate",
        c.folder.file("empty.txt")},
       "empty.txt"},
      {{"--set", "ffn_linear.kind=low_rank", "--share", "0.5", "--calibrate",
        c.folder.file("none.txt")},
       "none.txt"},
  };
  for (const auto& bad : cases) {
    const auto result = c.run(bad.options, "refused");
    CAPTURE(result.err);
    CHECK(result.status == 1);
    CHECK(test::contains(result.err, bad.why));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(!fs::exists(c.folder.file("refused")));
  }
  CHECK(c.run({"--share", "1.5"}, "refused").status == 2);
  CHECK(c.run({"--method", "magic"}, "refused").status == 2);
}
