// Whole runs that make a smaller model good again: a teacher's weights, logits and blocks, frozen
// tensors; exact resume of each, and what is refused.
#include <doctest/doctest.h>

#include <cstring>

#include "model/tensor_list.h"
#include "support/error_text.h"
#include "support/tiny_models.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;
using test::contains;
namespace fs = std::filesystem;

namespace {

using Sets = std::vector<std::string>;

Sets with(Sets sets, const Sets& more) {
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

Sets set(std::initializer_list<std::string> keys) {
  Sets sets;
  for (const std::string& key : keys) {
    sets.push_back("--set");
    sets.push_back(key);
  }
  return sets;
}

// A prepared folder, the run file of a structured model, a dense teacher, and the structured model
// that has all of the teacher's tensors but those of its feed-forward layers, which are noise.
struct Recovery : Folder {
  Recovery() {
    const RunSpec structured = load_run_spec(run, {});
    ModelSpec dense = structured.model;
    dense.ffn_linear = {};
    fs::create_directories(teacher);
    fs::create_directories(student);
    auto weights = test::random_weights(make_plan(dense), 11);
    test::write_model(dense, weights, teacher);
    auto own = test::random_weights(make_plan(structured.model), 12);
    for (auto& [name, values] : own) {
      if (const auto found = weights.find(name); found != weights.end()) values = found->second;
    }
    test::write_model(structured.model, own, student);
  }
  Sets sets(std::initializer_list<std::string> keys) const {
    return with(set({"model.init_from=" + student, "teacher.model=" + teacher, "steps=8",
                     "checkpoint_every=1", "keep_checkpoints=100", "optimizer.lr=2e-3"}),
                set(keys));
  }
  test::ProgramResult train(const std::string& out, const Sets& more) const {
    return test::run_program(train_command(run, out, data, more));
  }
  std::string teacher = dir.file("teacher"), student = dir.file("student");
};

// What a run has left that was killed after its step `step`.
void cut_to(const std::string& whole, const std::string& again, i64 step) {
  fs::remove_all(again);
  fs::copy(whole, again, fs::copy_options::recursive);
  for (i64 later : RunDirectory(again).steps()) {
    if (later > step) fs::remove_all(RunDirectory(again).checkpoint(later));
  }
}

Json metrics_line(const std::string& run, i64 step) {
  std::istringstream in(read_text_file(run + "/metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    const Json object = Json::parse(line);
    if (object.contains("loss") && object.at("step") == step) return object;
  }
  FAIL("no step " << step);
  return {};
}

}  // namespace

TEST_CASE("guided from the teacher's weights, the loss of step 0 is the teacher's") {
  const Recovery r;
  const std::string own = r.dir.file("own"), guided = r.dir.file("guided"),
                    plain = r.dir.file("plain");
  const Sets once = set({"steps=1", "checkpoint_every=0"});
  REQUIRE(
      r.train(own, with(once, set({"model.init_from=" + r.teacher, "model.ffn_linear.kind=dense"})))
          .status == 0);
  const auto result =
      r.train(guided, with(r.sets({"self_guided.mode=fixed_steps", "self_guided.from=teacher",
                                   "self_guided.share=1"}),
                           once));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  REQUIRE(r.train(plain, with(r.sets({}), once)).status == 0);
  CHECK(losses_of(guided).at(1) == losses_of(own).at(1));
  CHECK(losses_of(plain).at(1) != doctest::Approx(losses_of(own).at(1)).epsilon(0.01));
}

TEST_CASE("a teacher that is structured itself guides with its merged matrices") {
  const Recovery r;
  const std::string own = r.dir.file("own"), guided = r.dir.file("guided"),
                    other = r.dir.file("other");
  const Sets once = set({"steps=1", "checkpoint_every=0"});
  REQUIRE(r.train(own, with(once, set({"model.init_from=" + r.student}))).status == 0);
  // Factors of another size, which α = 1 leaves out.
  fs::create_directories(other);
  const Plan plan = make_plan(load_run_spec(r.run, {}).model);
  test::TinyWeights weights;
  const SafetensorsFile file(r.student + "/model.safetensors");
  for (const TensorView& tensor : file.tensors()) {
    std::vector<float>& values = weights[tensor.name];
    values.resize(static_cast<size_t>(tensor.numel()));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    if (!tensor.name.ends_with(".ffn.up.v")) continue;
    for (float& value : values) value *= 0.5f;
  }
  test::write_model(plan.spec, weights, other);
  REQUIRE(r.train(guided, with(r.sets({"self_guided.mode=fixed_steps", "self_guided.from=teacher",
                                       "self_guided.share=1", "model.init_from=" + other,
                                       "teacher.model=" + r.student}),
                               once))
              .status == 0);
  CHECK(losses_of(guided).at(1) == doctest::Approx(losses_of(own).at(1)).epsilon(1e-5));
}

TEST_CASE("every way of recovery, killed after any step and resumed, is the run never stopped") {
  const Recovery r;
  const struct {
    const char* name;
    Sets sets;
    bool needs_teacher;
  } kRows[] = {
      {"guide",
       r.sets({"self_guided.mode=fixed_steps", "self_guided.from=teacher", "self_guided.share=0.5",
               "freeze=[\"embedding.*\",\"blocks.0.ffn.up.*\"]"}),
       false},
      {"logits", r.sets({"teacher.mode=logits", "teacher.temperature=2", "freeze=norm.*"}), true},
      {"blocks", r.sets({"teacher.mode=blocks", "freeze=*.attention.*"}), true},
      {"both",
       r.sets({"teacher.mode=blocks", "self_guided.mode=fixed_steps", "self_guided.from=teacher",
               "self_guided.stochastic=unbiased", "self_guided.share=0.75", "precision=bf16"}),
       true},
      {"bf16", r.sets({"teacher.mode=logits", "precision=bf16"}), true},
  };
  for (const auto& row : kRows) {
    CAPTURE(row.name);
    const std::string whole = r.dir.file(row.name), again = r.dir.file("again");
    const auto first = r.train(whole, row.sets);
    CAPTURE(first.err);
    REQUIRE(first.status == 0);
    for (const i64 step : {1, 4, 7}) {
      CAPTURE(step);
      cut_to(whole, again, step);
      // Where the teacher gave a start alone, a run that goes on does not ask for it.
      if (!row.needs_teacher) fs::rename(r.teacher, r.dir.file("away"));
      const auto result = r.train(again, with(row.sets, {"--resume"}));
      if (!row.needs_teacher) fs::rename(r.dir.file("away"), r.teacher);
      CAPTURE(result.err);
      REQUIRE(result.status == 0);
      for (const char* file : {"model.safetensors", "trainer.safetensors"}) {
        CHECK(bytes_of(again, 8, file) == bytes_of(whole, 8, file));
      }
      CHECK(losses_of(again) == losses_of(whole));
    }
  }
}

TEST_CASE("distilled runs come nearer to the teacher, and say how near they are") {
  const Recovery r;
  const std::string logits = r.dir.file("logits"), blocks = r.dir.file("blocks");
  const Sets longer = set({"steps=60", "checkpoint_every=0", "optimizer.lr=5e-3"});
  REQUIRE(
      r.train(logits, with(r.sets({"teacher.mode=logits", "teacher.weight=1"}), longer)).status ==
      0);
  CHECK(metrics_line(logits, 60).at("kl").get<double>() <
        0.7 * metrics_line(logits, 1).at("kl").get<double>());
  REQUIRE(r.train(blocks, with(r.sets({"teacher.mode=blocks"}), longer)).status == 0);
  CHECK(losses_of(blocks).at(60) < 0.8 * losses_of(blocks).at(1));
  CHECK(!metrics_line(blocks, 1).contains("kl"));
  // Block by block nothing outside the blocks is touched.
  const std::string start = read_text_file(r.student + "/model.safetensors");
  const SafetensorsFile before(r.student + "/model.safetensors"),
      after(RunDirectory(blocks).checkpoint(60) + "/model.safetensors");
  for (const TensorView& tensor : after.tensors()) {
    CAPTURE(tensor.name);
    const auto was = before.get(tensor.name).bytes;
    const bool same = std::equal(was.begin(), was.end(), tensor.bytes.begin(), tensor.bytes.end());
    CHECK(same == !tensor.name.starts_with("blocks."));
  }
}

TEST_CASE("with the weight 0 distillation is plain training, and the micro-batch changes nothing") {
  const Recovery r;
  const auto losses = [&](const char* name, const Sets& sets) {
    const std::string out = r.dir.file(name);
    REQUIRE(r.train(out, with(sets, set({"checkpoint_every=0"}))).status == 0);
    return losses_of(out);
  };
  const auto plain = losses("plain", r.sets({})),
             none = losses("none", r.sets({"teacher.mode=logits", "teacher.weight=0"}));
  const auto half = losses("half", r.sets({"teacher.mode=logits"})),
             small = losses("small", r.sets({"teacher.mode=logits", "data.micro_batch=1"}));
  const auto blocks = losses("blocks", r.sets({"teacher.mode=blocks"})),
             few = losses("few", r.sets({"teacher.mode=blocks", "data.micro_batch=2"}));
  for (i64 step = 1; step <= 8; ++step) {
    CHECK(none.at(step) == doctest::Approx(plain.at(step)).epsilon(1e-5));
    CHECK(small.at(step) == doctest::Approx(half.at(step)).epsilon(1e-5));
    CHECK(few.at(step) == doctest::Approx(blocks.at(step)).epsilon(1e-5));
  }
  CHECK(half.at(8) != doctest::Approx(plain.at(8)).epsilon(1e-6));
}

TEST_CASE("teachers that do not fit, and others on resuming: one line, and nothing is trained") {
  const Recovery r;
  const auto fails_with = [&](const std::string& out, const Sets& sets, const std::string& text) {
    const auto result = r.train(r.dir.file(out), sets);
    CAPTURE(result.err);
    CAPTURE(text);
    CHECK(result.status == 1);
    CHECK(contains(result.err, text));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  };
  const auto write = [&](const char* name, const auto& change) {
    ModelSpec spec = load_run_spec(r.run, {}).model;
    spec.ffn_linear = {};
    change(spec);
    auto weights = test::random_weights(make_plan(spec), 2);
    fs::create_directories(r.dir.file(name));
    test::write_model(spec, weights, r.dir.file(name));
    return "teacher.model=" + r.dir.file(name);
  };
  const std::string other = write("other", [](ModelSpec&) {}),
                    large = write("large", [](ModelSpec&m) { m.vocab_size = 300; }),
                    brief = write("brief", [](ModelSpec&m) { m.context_length = 8; }),
                    deep = write("deep", [](ModelSpec&m) { m.n_layers = 3; }),
                    narrow = write("narrow", [](ModelSpec&m) { m.d_ff = 24; }),
                    paths =
                        write("paths", [](ModelSpec&m) { m.topology.kind = TopologyKind::kPgpt; });
  const std::string logits = "teacher.mode=logits", blocks = "teacher.mode=blocks";
  fails_with("out", set({logits}), "teacher.mode asks for a teacher, and teacher.model is empty");
  fails_with("out", set({"self_guided.mode=fixed_steps", "self_guided.from=teacher"}),
             "self_guided.from asks for a teacher, and teacher.model is empty");
  fails_with("out", r.sets({logits, "flops=1e12"}), "flops counts no teacher");
  fails_with("out", r.sets({logits, "teacher.weight=1.5"}), "teacher.weight is 1.5");
  fails_with("out", r.sets({logits, "teacher.temperature=0"}), "teacher.temperature is 0");
  fails_with("a", r.sets({logits, large}), "has a vocabulary of 300, and model.vocab_size is 257");
  fails_with("b", r.sets({logits, brief}), "has a context of 8");
  fails_with("c", r.sets({blocks, deep}), "has 3 of width 24, [model] 2 of width 24");
  fails_with("d", r.sets({blocks, paths}), "paths is a pgpt; teacher.mode = \"logits\" takes any");
  fails_with("e",
             r.sets({blocks, "model.topology.kind=lgpt",
                     "model.init_from=", "model.tie_embeddings=false"}),
             "[model] is a lgpt");
  fails_with("f", r.sets({"self_guided.mode=fixed_steps", "self_guided.from=teacher", narrow}),
             "'blocks.1.ffn.up.weight' is f32 (24, 24), expected f32 (48, 24)");
  fails_with("g", r.sets({logits, "freeze=blocks.9.*"}), "matches no tensor");
  // A pgpt of equal vocabulary is a teacher of logits.
  CHECK(r.train(r.dir.file("h"), r.sets({logits, paths, "steps=1"})).status == 0);

  const Sets run = r.sets({logits});
  REQUIRE(r.train(r.dir.file("out"), run).status == 0);
  const auto resumed = [&](std::initializer_list<std::string> keys) {
    return with(with(run, set(keys)), {"--resume"});
  };
  fails_with("out", resumed({other}), "was trained from another teacher");
  fails_with("out", resumed({blocks}), "teacher.mode = \"logits\", and the run file has");
  fails_with("out", resumed({"teacher.mode=off"}), "teacher.mode = \"logits\"");
  fs::rename(r.teacher, r.dir.file("moved"));  // the same one elsewhere is the same one
  const auto more =
      r.train(r.dir.file("out"), resumed({"teacher.model=" + r.dir.file("moved"), "steps=9",
                                          "teacher.weight=0.25", "freeze=norm.*"}));
  CAPTURE(more.err);
  CHECK(more.status == 0);
  CHECK(contains(more.err, "teacher.weight was 0.5 up to here and is 0.25 from now on"));
  CHECK(contains(more.err, "freeze was [] up to here and is [\"norm.*\"] from now on"));
}
