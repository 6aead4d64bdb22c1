// lathe eval, run as a program.
#include <doctest/doctest.h>

#include <cmath>

#include "cli/model_files.h"

using namespace lathe;
using namespace lathe::test;

namespace {

ProgramResult eval(const ModelFiles& m, const std::string& tasks,
                   std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"eval", m.path, "--tasks", tasks};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_lathe(arguments);
}

Json eval_json(const ModelFiles& m, const std::string& task, std::vector<std::string> more = {}) {
  more.push_back("--json");
  const ProgramResult result = eval(m, task, more);
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  const Json tasks = Json::parse(result.out).at("tasks");
  CHECK(tasks.size() == 1);
  return tasks.at(task);
}

// −Σ ln p of each token after what begins a text and those before it, by the oracle.
double oracle_nll(const ModelFiles& m, const std::vector<int32_t>& tokens, int32_t begin = 256) {
  std::vector<int32_t> all = {begin};
  all.insert(all.end(), tokens.begin(), tokens.end());
  const Matrix logits = ReferenceModel(m.spec, m.weights).logits(all);
  double nll = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    double total = 0;
    for (const double z : logits[i]) total += std::exp(z);
    nll -= logits[i][static_cast<size_t>(tokens[i])] - std::log(total);
  }
  return nll;
}

}  // namespace

TEST_CASE("eval perplexity of a file: the numbers of an oracle, by token and by byte") {
  const ModelFiles m;
  const std::string text = "a small text \xc3\xa9", file = m.dir.file("text");
  write_file(file, text);
  std::vector<int32_t> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  const double nll = oracle_nll(m, tokens), n = static_cast<double>(tokens.size());
  const Json json = eval_json(m, "perplexity:" + file);
  CHECK(json.at("n_tokens") == n);
  CHECK(json.at("nll_per_token").get<double>() == doctest::Approx(nll / n).epsilon(1e-5));
  CHECK(json.at("ppl").get<double>() == doctest::Approx(std::exp(nll / n)).epsilon(1e-5));
  CHECK(json.at("bits_per_byte").get<double>() ==
        doctest::Approx(nll / n / std::log(2.0)).epsilon(1e-5));
  const ProgramResult plain = eval(m, "perplexity:" + file);
  CHECK(plain.status == 0);
  CHECK(has(plain.out, "perplexity:" + file + "  nll_per_token "));
}

TEST_CASE("eval perplexity: a model's own begin_token takes the place of the end of text") {
  ModelFiles m;
  m.spec.begin_token = 7;
  write_model(m.spec, m.weights, m.path);
  write_file(m.dir.file("text"), "abcab");
  const Json json = eval_json(m, "perplexity:" + m.dir.file("text"));
  CHECK(json.at("n_tokens") == 5);
  CHECK(json.at("nll_per_token").get<double>() ==
        doctest::Approx(oracle_nll(m, {'a', 'b', 'c', 'a', 'b'}, 7) / 5).epsilon(1e-5));
}

TEST_CASE("eval: shards of another tokenizer of the model's size, or changed ones, are refused") {
  const ModelFiles m;
  const std::string data = m.dir.file("data"), shard = data + "/val_000000.bin";
  write_file(m.dir.file("t"), std::string(300, 'a'));
  REQUIRE(run_lathe({"data", "prepare", "--tokenizer", "bytes", "--out", data, "--val-fraction",
                     "0.5", m.dir.file("t")})
              .status == 0);
  const std::string whole = read_file(shard), info = read_file(data + "/dataset.json");
  std::string changed = whole;
  changed[changed.size() - 2] = 'b';
  write_file(shard, changed);
  for (const std::string& path : {data, shard}) {
    check_refused(eval(m, "perplexity:" + path), 1, {shard, "damaged or changed"});
  }
  write_file(shard, whole);
  for (const std::string& path : {data, shard}) CHECK(eval(m, "perplexity:" + path).status == 0);
  Json json = Json::parse(info);
  json["fingerprint"] = "0123456789abcdef";
  write_file(data + "/dataset.json", json.dump());
  for (const std::string& path : {data, shard}) {
    check_refused(eval(m, "perplexity:" + path), 1,
                  {data, "another tokenizer (fingerprint 0123456789abcdef) than the model's"});
  }
  json.erase("fingerprint");
  write_file(data + "/dataset.json", json.dump());
  CHECK(eval(m, "perplexity:" + data).status == 0);
}

TEST_CASE("eval perplexity of a prepared folder: its val split; --limit scores fewer windows") {
  const ModelFiles m;
  write_file(m.dir.file("text"), std::string(200, 'x') + "and the end of it");
  const std::string out = m.dir.file("data");
  REQUIRE(run_lathe({"data", "prepare", "--tokenizer", "bytes", "--out", out, "--val-fraction",
                     "0.05", m.dir.file("text")})
              .status == 0);
  // A single document is divided: 5 % of 218 tokens, from the end.
  const std::string tail = "end of it";
  const Json json = eval_json(m, "perplexity:" + out);
  const double n = json.at("n_tokens").get<double>();
  REQUIRE(n == 11);
  std::vector<int32_t> tokens;
  for (const char c : std::string("e end of it")) tokens.push_back(c);
  CHECK(json.at("nll_per_token").get<double>() ==
        doctest::Approx(oracle_nll(m, tokens) / n).epsilon(1e-5));
  CHECK(json.at("bits_per_byte").get<double>() ==
        doctest::Approx(oracle_nll(m, tokens) / n / std::log(2.0)).epsilon(1e-5));
  // The whole text takes several windows of 48.
  const std::string whole = "perplexity:" + m.dir.file("text");
  CHECK(eval_json(m, whole).at("n_tokens") == 217);
  CHECK(eval_json(m, whole, {"--limit", "1"}).at("n_tokens") == 48);
}

TEST_CASE("eval perplexity of a file: packed, as JSON lines or as a shard it is the same text") {
  const ModelFiles m;
  const std::string text = "a small text", file = m.dir.file("text");
  write_file(file, text);
  const double nll = eval_json(m, "perplexity:" + file).at("nll_per_token").get<double>();
  const auto same = [&](const std::string& path) {
    CAPTURE(path);
    const Json json = eval_json(m, "perplexity:" + path);
    CHECK(json.at("n_tokens") == text.size());
    CHECK(json.at("nll_per_token").get<double>() == doctest::Approx(nll).epsilon(1e-9));
  };
  for (const char* packer : {"gzip", "zstd -q"}) {
    if (run_program({"bash", "-c", std::string(packer) + " -c '" + file + "' >'" + file + ".gz'"})
            .status == 0) {
      same(file + ".gz");
    }
  }
  write_file(m.dir.file("a.jsonl"), "{\"text\":\"" + text + "\"}\n");
  same(m.dir.file("a.jsonl"));
  // Two documents are one text with end of text between them.
  write_file(m.dir.file("b.jsonl"), "{\"text\":\"ab\"}\n{\"text\":\"c\"}\n");
  CHECK(eval_json(m, "perplexity:" + m.dir.file("b.jsonl")).at("nll_per_token").get<double>() ==
        doctest::Approx(oracle_nll(m, {'a', 'b', 256, 'c'}) / 4).epsilon(1e-5));
  // A shard by itself: 256 words, then 16-bit tokens.
  std::vector<uint16_t> tokens(text.begin(), text.end());
  const uint32_t head[3] = {20240520, 1, static_cast<uint32_t>(tokens.size())};
  std::string shard(1024, '\0');
  std::memcpy(shard.data(), head, sizeof head);
  shard.append(reinterpret_cast<const char*>(tokens.data()), 2 * tokens.size());
  write_file(m.dir.file("val_000000.bin"), shard);
  same(m.dir.file("val_000000.bin"));
}

TEST_CASE("eval: several tasks are several rows, in the order they were asked for") {
  const ModelFiles m;
  write_file(m.dir.file("a"), "one");
  write_file(m.dir.file("b"), "two");
  const std::string a = "perplexity:" + m.dir.file("a"), b = "perplexity:" + m.dir.file("b");
  const ProgramResult result = eval(m, b + "," + a, {"--json"});
  REQUIRE(result.status == 0);
  const Json tasks = Json::parse(result.out).at("tasks");
  REQUIRE(tasks.size() == 2);
  CHECK(tasks.begin().key() == b);
}

TEST_CASE("eval: every kind of broken model is one line that names the file") {
  check_bad_models([](const ModelFiles& m) {
    write_file(m.dir.file("text"), "text");
    return std::vector<std::string>{"eval", m.path, "--tasks", "perplexity:" + m.dir.file("text")};
  });
}

TEST_CASE("eval: wrong tasks and texts exit with 1 and one line") {
  const ModelFiles m;
  write_file(m.dir.file("empty"), "");
  write_file(m.dir.file("text"), "text");
  std::filesystem::create_directory(m.dir.file("folder"));
  const auto refused = [&](const std::string& tasks, const std::vector<std::string>& parts) {
    check_refused(eval(m, tasks), 1, parts);
  };
  refused("perplexty:x", {"'perplexty'", "did you mean 'perplexity'?"});
  refused("perplexity", {"'perplexity'", "needs an argument"});
  refused("perplexity:", {"'perplexity'", "needs an argument"});
  refused("perplexity:" + m.dir.file("none"), {m.dir.file("none"), "No such file"});
  refused("perplexity:" + m.dir.file("empty"), {"0 tokens", "at least 1"});
  refused("perplexity:" + m.tensors, {"model.safetensors", "a model (safetensors)"});
  refused("perplexity:" + m.dir.file("folder"), {m.dir.file("folder"), "no shard"});
  // All tasks are looked at before the first is run.
  refused("perplexity:" + m.dir.file("text") + ",nonsense", {"'nonsense'"});
}

TEST_CASE("eval: shards of the wrong size or of another vocabulary are one line") {
  const ModelFiles m;
  write_file(m.dir.file("text"), std::string(300, 'x'));
  const std::string out = m.dir.file("data"), shard = out + "/val_000000.bin";
  REQUIRE(run_lathe({"data", "prepare", "--tokenizer", "bytes", "--out", out, "--val-fraction",
                     "0.1", m.dir.file("text")})
              .status == 0);
  const std::string good = read_file(shard);
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    write_file(shard, bytes);
    check_refused(eval(m, "perplexity:" + out), 1, parts);
  };
  refused(good.substr(0, good.size() - 2), {shard, "is the file whole?"});
  refused(good + "xx", {shard, "is the file whole?"});
  refused(good.substr(0, 500), {shard, "500 bytes"});
  std::string other = good;
  other[1025] = '\x01';
  other[1024] = '\x01';  // 257
  refused(other, {shard, "token id 257", "0 to 256", "another tokenizer"});
  write_file(shard, good);
  write_file(out + "/dataset.json", "{\"tokenizer\": \"x\"");
  check_refused(eval(m, "perplexity:" + out), 1, {"dataset.json", "not valid JSON"});
}

TEST_CASE("eval: a full disk is an error") {
  const ModelFiles m;
  write_file(m.dir.file("text"), "text");
  for (const char* json : {"--limit=1", "--json"}) {
    check_refused(
        run_to_full_disk({"eval", m.path, "--tasks", "perplexity:" + m.dir.file("text"), json}), 1,
        {"No space left on device"});
  }
}

TEST_CASE("eval: a wrong usage exits with 2 and one line") {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"eval"},
           {"eval", "m"},
           {"eval", "m", "--tasks"},
           {"eval", "--tasks", "perplexity:x"},
           {"eval", "m", "n", "--tasks", "perplexity:x"},
           {"eval", "m", "--tasks", "perplexity:x", "--bogus"},
           {"eval", "m", "--tasks", "perplexity:x", "--limit", "0"},
           {"eval", "m", "--tasks", "perplexity:x", "--limit", "few"},
           {"eval", "m", "--tasks", "perplexity:x", "--threads", "0"}}) {
    CAPTURE(arguments.back());
    check_refused(run_lathe(arguments), 2);
  }
}
