// What training takes as its data, and what it refuses.
#include "train/data.h"

#include "support/error_text.h"
#include "support/tiny_bpe.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;
using test::contains;
using test::error_text;

namespace {

std::string refusal(const Folder& f) {
  return error_text([&] { open_data(load_run_spec(f.run, {"data.path=" + f.data})); });
}

// Another byte in the same place.
void change(const std::string& file, i64 at, char byte) {
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(at).put(byte);
}

}  // namespace

TEST_CASE("data: shards that are changed, missing or too many are refused, in both splits") {
  const Folder f;
  CHECK(refusal(f) == "");
  for (const char* name : {"/train_000002.bin", "/val_000000.bin"}) {
    const std::string shard = f.data + name, whole = read_text_file(shard);
    change(shard, 1100, '\1');
    CHECK(contains(refusal(f), shard + ": "));
    CHECK(contains(refusal(f), "damaged or changed"));
    write_file_atomically(shard, whole);
  }
  std::filesystem::copy_file(f.data + "/train_000000.bin", f.data + "/train_000009.bin");
  CHECK(contains(refusal(f), "train_000009.bin: dataset.json does not know of this shard"));
  std::filesystem::remove(f.data + "/train_000009.bin");
  std::filesystem::remove(f.data + "/train_000004.bin");
  CHECK(contains(refusal(f), "of the 6 shards that dataset.json says"));
}

TEST_CASE("data: a tokenizer that is not the one of the shards, or of the model, is refused") {
  const Folder f;
  // As many tokens, two of them changed about.
  Json json = Json::parse(read_text_file(f.data + "/tokenizer.json"));
  std::swap(json["model"]["vocab"]["a"], json["model"]["vocab"]["b"]);
  write_file_atomically(f.dir.file("tokenizer.json"), json.dump());
  {
    RunData data = open_data(load_run_spec(f.run, {"data.path=" + f.data}));
    ModelDirectory model;
    model.chat_template = "{{ messages }}";
    model.tokenizer = kByteTokenizer;
    adopt_text_of(model, data);
    CHECK(data.chat_template == model.chat_template);
    model.tokenizer = f.dir.file("none.json");
    adopt_text_of(model, data);
    model.tokenizer = f.dir.file("tokenizer.json");
    CHECK(contains(error_text([&] { adopt_text_of(model, data); }), "another tokenizer"));
  }
  write_file_atomically(f.data + "/tokenizer.json", json.dump());
  CHECK(contains(refusal(f), "was prepared with another tokenizer (fingerprint "));
}
