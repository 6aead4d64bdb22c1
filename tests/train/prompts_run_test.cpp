// Training on prompts and completions: only completions count, in updates and in validation,
// whatever the micro-batch; exact resume.
#include <doctest/doctest.h>

#include <cmath>

#include "support/error_text.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/nn/model.h"
#include "trained_runs.h"
#include "weights/safetensors.h"

using namespace lathe;
using namespace lathe::train;
using test::contains;
namespace fs = std::filesystem;

namespace {

using Sets = std::vector<std::string>;

Sets set(std::initializer_list<std::string> keys) {
  Sets sets;
  for (const std::string& key : keys) {
    sets.push_back("--set");
    sets.push_back(key);
  }
  return sets;
}

// Sums of two digits, prompts of very different lengths among them.
struct Prompts {
  explicit Prompts(const std::string& name = "data", i64 longest = 40) {
    const std::string folder = dir.file(name);
    fs::create_directories(folder);
    const auto tokenizer = make_byte_tokenizer();
    DatasetWriter writer(folder, *tokenizer, 0.1, 700);
    for (i64 i = 0; i < 120; ++i) {
      const i64 a = i * 7 % 10, b = i * 3 % 9;
      const std::string prompt = std::string(static_cast<size_t>(i * 37 % longest), 'x') +
                                 std::to_string(a) + "+" + std::to_string(b) + "=";
      const std::string text = prompt + std::to_string(a + b);
      writer.add(encode_prompted(*tokenizer, text, prompt.size()), static_cast<i64>(text.size()),
                 static_cast<uint64_t>(i * i));
    }
    writer.finish();
    run = write_run(dir.path());
    data = folder;
  }
  test::ProgramResult train(const std::string& out, const Sets& sets) const {
    return test::run_program(train_command(run, out, data, sets));
  }
  test::TempDir dir;
  std::string run, data;
};

// The model of a checkpoint.
struct Loaded {
  Loaded(const std::string& out, i64 step)
      : run(load_run_spec(out + "/run.toml", {})),
        plan(make_plan(run.model)),
        parameters(plan, at::kCPU, Precision::kF32),
        model(plan, parameters, false) {
    load_weights(SafetensorsFile(RunDirectory(out).checkpoint(step) + "/model.safetensors"),
                 parameters);
  }
  // −ln p of each target of a row of ids.
  std::vector<double> losses(const std::vector<i64>& ids) {
    const at::Tensor all = at::tensor(ids, at::kLong).view({1, std::ssize(ids)});
    const i64 n = std::ssize(ids) - 1;
    const at::Tensor log_p =
        at::log_softmax(model.logits(all.narrow(1, 0, n).contiguous()).to(at::kDouble), 1);
    std::vector<double> list;
    for (i64 t = 0; t < n; ++t) {
      list.push_back(-log_p[t][ids[static_cast<size_t>(t) + 1]].item<double>());
    }
    return list;
  }
  RunSpec run;
  Plan plan;
  Parameters parameters;
  Model model;
};

std::vector<Json> metrics_of(const std::string& run, const char* key) {
  std::vector<Json> lines;
  std::istringstream in(read_text_file(run + "/metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    Json object = Json::parse(line);
    if (object.contains(key)) lines.push_back(std::move(object));
  }
  return lines;
}

// The gradients of the first update, by the optimizer's first moments after it.
std::map<std::string, std::vector<float>> first_moments(const std::string& run) {
  const SafetensorsFile file(RunDirectory(run).checkpoint(1) + "/trainer.safetensors");
  std::map<std::string, std::vector<float>> moments;
  for (const TensorView& tensor : file.tensors()) {
    if (!tensor.name.starts_with("exp_avg.")) continue;
    std::vector<float>& values = moments[tensor.name];
    values.resize(static_cast<size_t>(tensor.numel()));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  }
  return moments;
}

}  // namespace

TEST_CASE("an update's loss is the mean over completions of the whole batch, and so its gradient") {
  const Prompts f;
  const auto out_of = [&](i64 micro) { return f.dir.file("micro" + std::to_string(micro)); };
  for (const i64 micro : {1, 4, 8}) {
    const auto result = f.train(out_of(micro), set({"steps=1", "optimizer.lr=0", "optimizer.clip=0",
                                                    "data.micro_batch=" + std::to_string(micro)}));
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
  }
  // By hand, from the weights, which a rate of 0 leaves as they were.
  Loaded loaded(out_of(8), 1);
  const RunData data = open_data(load_run_spec(f.run, {"data.path=" + f.data}));
  std::vector<i64> ids(17);
  std::vector<uint8_t> counted(16);
  double sum = 0;
  i64 n = 0;
  for (uint64_t g = 0; g < 8; ++g) {
    data.train->read(g, ids);
    data.train->read_counted(g, 1, counted);
    const auto losses = loaded.losses(ids);
    for (size_t t = 0; t < 16; ++t) {
      if (counted[t] == 0) continue;
      sum += losses[t];
      ++n;
      // What counts is a digit or the end of the text.
      CHECK((ids[t + 1] == 256 || (ids[t + 1] >= '0' && ids[t + 1] <= '9')));
    }
  }
  REQUIRE(n > 5);
  REQUIRE(n < 64);
  CHECK(losses_of(out_of(8)).at(1) == doctest::Approx(sum / static_cast<double>(n)).epsilon(1e-5));

  const auto whole = first_moments(out_of(8));
  for (const i64 micro : {1, 4}) {
    CAPTURE(micro);
    CHECK(losses_of(out_of(micro)).at(1) ==
          doctest::Approx(losses_of(out_of(8)).at(1)).epsilon(1e-6));
    for (const auto& [name, values] : first_moments(out_of(micro))) {
      CAPTURE(name);
      double difference = 0, size = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        difference += std::pow(values[i] - whole.at(name)[i], 2);
        size += std::pow(whole.at(name)[i], 2);
      }
      CHECK(std::sqrt(difference) <= 1e-5 * std::sqrt(size) + 1e-9);
    }
  }
}

TEST_CASE("validation scores completions alone, each behind its own prompt") {
  const Prompts f;
  const std::string out = f.dir.file("out");
  REQUIRE(f.train(out, set({"steps=3", "eval_tokens=100000"})).status == 0);
  Loaded loaded(out, 3);
  const TokenStream val(f.data, "val");
  std::vector<i64> ids(static_cast<size_t>(val.size()));
  std::vector<uint8_t> counted(ids.size());
  val.copy(0, ids);
  val.copy_counted(0, counted);
  double sum = 0;
  i64 n = 0;
  for (i64 begin = 0; begin + 1 < val.size();) {
    i64 end = begin + 1;
    while (ids[static_cast<size_t>(end)] != 256) ++end;  // the last text is ended too
    // No more than 16 inputs before the end-of-text token.
    const i64 from = std::max(begin, end - 16);
    const auto losses = loaded.losses({ids.begin() + from, ids.begin() + end + 1});
    for (i64 t = from + 1; t <= end; ++t) {
      if (counted[static_cast<size_t>(t)] == 0) continue;
      sum += losses[static_cast<size_t>(t - from - 1)];
      ++n;
    }
    begin = end;
  }
  const auto lines = metrics_of(out, "val_loss");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("val_loss").get<double>() ==
        doctest::Approx(sum / static_cast<double>(n)).epsilon(1e-5));
  // A small budget is kept to: about 16 tokens a window.
  const std::string few = f.dir.file("few");
  const auto result = f.train(few, set({"steps=3", "eval_tokens=40"}));
  CHECK(result.status == 0);
  CHECK(metrics_of(few, "val_loss")[0].at("val_loss") != lines[0].at("val_loss"));
}

TEST_CASE("an update of prompts alone has no loss, and no number becomes NaN by it") {
  const Prompts f("long", 400);
  const std::string out = f.dir.file("out");
  const auto result = f.train(out, set({"steps=30", "data.micro_batch=1", "data.global_batch=1"}));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  i64 n_without = 0;
  for (const Json& line : metrics_of(out, "loss")) {
    n_without += line.at("loss").is_null();
    CHECK(line.at("grad_norm").is_number());
    CHECK(!line.contains("skipped"));
    CHECK((line.at("grad_norm") == 0.0) == line.at("loss").is_null());
  }
  CHECK(n_without > 5);
  CHECK(n_without < 30);
}

TEST_CASE("trained on completions, killed and resumed: the run never stopped, bit for bit") {
  const Prompts f;
  const std::string whole = f.dir.file("whole"), broken = f.dir.file("broken");
  const Sets sets = set({"checkpoint_every=10", "steps=30"});
  REQUIRE(f.train(whole, sets).status == 0);
  run_and_kill(train_command(f.run, broken, f.data, sets), RunDirectory(broken).checkpoint(10));
  for (i64 step : RunDirectory(broken).steps()) {
    if (step > 10) fs::remove_all(RunDirectory(broken).checkpoint(step));
  }
  Sets resume = sets;
  resume.push_back("--resume");
  REQUIRE(f.train(broken, resume).status == 0);
  for (const char* file : {"model.safetensors", "trainer.safetensors"}) {
    CHECK(bytes_of(broken, 30, file) == bytes_of(whole, 30, file));
  }
  CHECK(losses_of(broken) == losses_of(whole));
  // The same tokens with another mask are other data.
  const auto tokenizer = make_byte_tokenizer();
  const std::string other = f.dir.file("other");
  fs::create_directories(other);
  for (const char* split : {"train", "val"}) {
    const TokenStream stream(f.data, split);
    std::vector<i64> ids(static_cast<size_t>(stream.size()));
    stream.copy(0, ids);
    ShardWriter writer(other, split, 257);
    writer.append(std::vector<int32_t>(ids.begin(), ids.end()));
    writer.finish();
  }
  for (const char* file : {"tokenizer.json", "dataset.json"}) {
    fs::copy(f.data + "/" + file, other + "/" + file);
  }
  Json json = Json::parse(read_text_file(other + "/dataset.json"));
  json.erase("shards");
  write_file_atomically(other + "/dataset.json", json.dump());
  const auto refused = test::run_program(train_command(f.run, broken, other, resume));
  CHECK(refused.status == 1);
  CHECK(contains(refused.err, "was trained on other data"));
}

TEST_CASE("a teacher's logits are learnt on completions alone too") {
  const Prompts f;
  const std::string start = f.dir.file("start"), out = f.dir.file("out");
  REQUIRE(f.train(start, set({"steps=2"})).status == 0);
  // From itself: nothing to learn at first, and the text beside it.
  const auto result = f.train(out, set({"model.init_from=" + start, "teacher.model=" + start,
                                        "teacher.mode=logits", "steps=2", "optimizer.lr=0"}));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  const auto lines = metrics_of(out, "kl");
  REQUIRE(lines.size() == 2);
  CHECK(std::abs(lines[0].at("kl").get<double>()) < 1e-6);
}
