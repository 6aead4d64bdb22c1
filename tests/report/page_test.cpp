// The page and the command, from run directories on a disk.
#include "report/page.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "report/planted_runs.h"
#include "support/run_program.h"

using namespace lathe;
using namespace lathe::report;
using lathe::read_text_file;
using lathe::test::plant;
using lathe::test::PlantedRun;
using lathe::test::ProgramResult;
using lathe::test::run_lathe;
using lathe::test::TempDir;
using lathe::test::write_text;
using Json = nlohmann::ordered_json;

namespace {

size_t occurrences(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What a browser would take for the data: up to the first end of a script.
Json embedded(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const size_t from = page.find(begin);
  REQUIRE(from != std::string::npos);
  const size_t to = page.find("</script", from);
  return Json::parse(page.substr(from + begin.size(), to - from - begin.size()));
}

PlantedRun planted(const TempDir& folder, const std::string& name, int64_t seed, double loss) {
  PlantedRun run;
  run.folder = folder.file(name);
  run.seed = seed;
  run.final_loss = loss;
  return run;
}

void check_refused(const ProgramResult& result, const std::string& part) {
  CHECK(result.status == 1);
  CHECK(result.out == "");
  CHECK(has(result.err, part));
  CHECK(occurrences(result.err, "\n") == 1);
}

}  // namespace

TEST_CASE("page: its data are the numbers of the runs, by independent sums") {
  const TempDir folder;
  PlantedRun a = planted(folder, "a", 1, 2.0), b = planted(folder, "b", 2, 2.4);
  PlantedRun low = planted(folder, "low", 1, 2.75);
  low.ffn = "kind = \"low_rank\"\nrank = 16";
  const Json data = embedded(report_page(make_report({plant(a), plant(b), plant(low)})));
  REQUIRE(data.at("groups").size() == 2);
  const Json& dense = data.at("groups")[0];
  CHECK(dense.at("name") == "dense");
  CHECK(dense.at("loss").at("mean").get<double>() == doctest::Approx(2.2));
  CHECK(dense.at("loss").at("error").get<double>() == doctest::Approx(0.2));
  CHECK(dense.at("runs") == Json({0, 1}));
  CHECK(dense.at("gap_to_dense").at("mean").is_null());
  CHECK(data.at("groups")[1].at("gap_to_dense").at("mean").get<double>() == doctest::Approx(0.55));
  CHECK(data.at("groups")[1].at("loss").at("error").is_null());  // of one seed

  const Json& run = data.at("runs")[0];
  CHECK(run.at("tokens") == 40 * 128);
  CHECK(run.at("train_flops").get<double>() == doctest::Approx(40e9));
  CHECK(run.at("final_bits_per_byte").get<double>() == doctest::Approx(2.0 / 3));
  REQUIRE(run.at("curve").size() == 40);
  for (const Json& row : run.at("curve")) {
    const int64_t step = row[0].get<int64_t>();
    double sum = 0, n = 0;  // steps within 5 %
    for (int64_t s = 1; s <= 40; ++s) {
      const double ratio = static_cast<double>(s) / static_cast<double>(step);
      if (s != step && !(ratio >= 1 / 1.05 && ratio < 1.05)) continue;
      sum += lathe::test::planted_loss(a, s);
      n += 1;
    }
    CHECK(row[1].get<int64_t>() == step * 128);
    CHECK(row[3].get<double>() == doctest::Approx(sum / n).epsilon(2e-6));
    CHECK(row[4].is_null());
  }
  CHECK(run.at("validations").size() == 2);
  CHECK(run.at("validations")[0] == Json({20, 2560, 20e9, 2.5}));
  for (const Json& fit : data.at("fits")) CHECK(fit.at("why_not") == "needs three sizes, has 1");
}

TEST_CASE("page: three sizes with two seeds bring a law with intervals and a curve with a band") {
  const TempDir folder;
  std::vector<std::string> paths;
  for (const int64_t d : {64, 128, 256}) {
    for (const int64_t seed : {1, 2}) {
      PlantedRun run = planted(folder, lathe::format("d{}s{}", d, seed), seed, 0);
      run.d_model = d;
      run.flops_per_step = 1e8 * static_cast<double>(d);
      run.final_loss =
          1 + 100 * std::pow(run.flops_per_step * 40, -0.2) + 0.002 * static_cast<double>(seed);
      paths.push_back(plant(run));
    }
  }
  const Json data = embedded(report_page(make_report(paths)));
  CHECK(data.at("sizes") == Json({"d_model 64", "d_model 128", "d_model 256"}));
  const Json& fit = data.at("fits")[0];
  CHECK(fit.at("against") == "train_flops");
  CHECK(fit.at("n_runs") == 6);
  for (const char* name : {"a", "b", "c"}) {
    const Json& p = fit.at(name);
    CHECK(p.at("low").get<double>() <= p.at("value").get<double>());
    CHECK(p.at("value").get<double>() <= p.at("high").get<double>());
  }
  const Json& curve = fit.at("curve");
  CHECK(curve.front()[0].get<double>() == doctest::Approx(64e8 * 40).epsilon(1e-5));
  CHECK(curve.back()[0].get<double>() == doctest::Approx(2 * 256e8 * 40).epsilon(1e-5));
  for (const Json& row : curve) {
    const double x = row[0].get<double>();
    const double law = fit.at("a").at("value").get<double>() *
                           std::pow(x, -fit.at("b").at("value").get<double>()) +
                       fit.at("c").at("value").get<double>();
    CHECK(row[1].get<double>() == doctest::Approx(law).epsilon(1e-5));
    CHECK(row[2].get<double>() <= row[3].get<double>());
  }
}

TEST_CASE("page: no text of a run breaks out of the data, and the page asks nothing of a network") {
  const TempDir folder;
  const std::string evil = "</script><script>alert(1)</script><!--";
  PlantedRun a = planted(folder, "a", 1, 2), b = planted(folder, "b</script><b>", 1, 2);
  b.top = "note = '" + evil + "'\n";  // a key that makes a variant's name
  std::filesystem::create_directories(b.folder);
  PlantedRun bytes = planted(folder, "c", 1, 2);
  bytes.lr = 3e-3;
  std::filesystem::rename(plant(bytes), folder.file("c\xff\xfe"));  // no UTF-8
  const std::string page = report_page(make_report({plant(a), plant(b), folder.file("c\xff\xfe")}));
  CHECK(occurrences(page, "</script") == 4);  // data, and three scripts
  CHECK(occurrences(page, "<script") == 4);
  CHECK(occurrences(page, "<!--") == 0);
  CHECK(has(embedded(page).dump(), evil.substr(0, 9)));
  CHECK(occurrences(page, "http") - occurrences(page, "http-equiv") ==
        occurrences(page, "http://www.w3.org/2000/svg"));  // a name, not an address
  CHECK(json_for_script(Json({{"<a>", "&\u2028</"}})) ==
        "{\"\\u003ca\\u003e\":\"\\u0026\\u2028\\u003c/\"}");
}

TEST_CASE("report: writes the page, and with --json prints what is in it") {
  const TempDir folder;
  const std::string a = plant(planted(folder, "a", 1, 2)), out = folder.file("page.html");
  PlantedRun cut = planted(folder, "cut", 2, 2);
  plant(cut);
  const std::string metrics = read_text_file(cut.folder + "/metrics.jsonl");
  write_text(cut.folder + "/metrics.jsonl", metrics.substr(0, metrics.size() / 2));
  const ProgramResult result = run_lathe({"report", a, cut.folder, "--out", out, "--json"});
  REQUIRE(result.status == 0);
  const Json json = Json::parse(result.out), data = embedded(read_text_file(out));
  CHECK(json.at("groups") == data.at("groups"));
  CHECK(json.at("fits") == data.at("fits"));
  CHECK_FALSE(json.at("runs")[0].contains("curve"));
  CHECK(json.at("runs")[1].at("finished") == false);
  CHECK(json.at("runs")[1].at("steps").get<int64_t>() < 40);
  CHECK(json.at("runs")[1].at("planned_steps") == 40);
  CHECK(json.at("groups")[0].at("n_finished") == 1);
  CHECK(has(result.err, "cut is unfinished: step"));
  CHECK(has(result.err, "of 40, its last line is cut"));
}

TEST_CASE(
    "report: a run that ends without a validation loss is no number in a mean, and is named") {
  const TempDir folder;
  const std::string a = plant(planted(folder, "a", 1, 2)), b = plant(planted(folder, "b", 2, 9));
  std::string metrics = read_text_file(b + "/metrics.jsonl");
  metrics.replace(metrics.find("\"val_loss\":9,"), 13, "\"val_loss\":null,");
  write_text(b + "/metrics.jsonl", metrics);
  const ProgramResult result = run_lathe({"report", a, b, "--json"});
  REQUIRE(result.status == 0);
  const Json group = Json::parse(result.out).at("groups")[0];
  CHECK(group.at("n_finished") == 2);
  CHECK(group.at("loss").at("n") == 1);
  CHECK(group.at("loss").at("mean") == 2.0);
  CHECK(has(result.err, b + " has no final validation loss"));
}

TEST_CASE("report: a run given twice counts once, and that is said") {
  const TempDir folder;
  const std::string a = plant(planted(folder, "a", 1, 2));
  const ProgramResult result = run_lathe({"report", a, a + "/../a", "--json"});
  REQUIRE(result.status == 0);
  CHECK(Json::parse(result.out).at("runs").size() == 1);
  CHECK(has(result.err, "note: " + a + "/../a was given twice and counts once"));

  const std::string copy = plant(planted(folder, "copy", 1, 2));
  const ProgramResult same_seed = run_lathe({"report", a, copy, "--json"});
  CHECK(has(same_seed.err, "are the same run with the same seed 1"));
}

TEST_CASE("report: a folder of runs stands for the runs in it, whatever else it holds") {
  const TempDir folder;
  plant(planted(folder, "b", 2, 2.5));
  plant(planted(folder, "a", 1, 2));
  std::filesystem::create_directories(folder.file("run-files"));
  std::filesystem::create_directories(folder.file("begun"));  // killed before its first line
  write_text(folder.file("begun/run.toml"), "");
  const auto json = nlohmann::json::parse(run_lathe({"report", folder.path(), "--json"}).out);
  REQUIRE(json["runs"].size() == 2);
  CHECK(json["runs"][0]["path"] == folder.file("a"));
  CHECK(json["runs"][1]["path"] == folder.file("b"));
}

TEST_CASE("report: what is wrong is said in one line, and an older page stays as it was") {
  const TempDir folder;
  const std::string a = plant(planted(folder, "a", 1, 2)), out = folder.file("page.html");
  write_text(out, "old");
  check_refused(run_lathe({"report", a, folder.file("none"), "--out", out}),
                "no such run directory");
  std::filesystem::create_directory(folder.file("empty"));
  check_refused(run_lathe({"report", folder.file("empty"), "--out", out}), "holds no run.toml");
  PlantedRun damaged = planted(folder, "damaged", 1, 2);
  plant(damaged);
  std::string metrics = read_text_file(damaged.folder + "/metrics.jsonl");
  metrics.replace(metrics.find("\"step\":17"), 12, "\0\0\0\0");
  write_text(damaged.folder + "/metrics.jsonl", metrics);
  check_refused(run_lathe({"report", a, damaged.folder, "--out", out}),
                "damaged/metrics.jsonl: line 17: ");
  std::filesystem::remove(damaged.folder + "/metrics.jsonl");
  check_refused(run_lathe({"report", damaged.folder, "--out", out}), "holds no metrics.jsonl");
  CHECK(read_text_file(out) == "old");
  check_refused(run_lathe({"report", a, "--out", folder.file("no/such/page.html")}),
                "cannot create");
}

TEST_CASE("report: usage errors exit with 2, --help with 0") {
  CHECK(run_lathe({"report"}).status == 2);
  CHECK(run_lathe({"report", "runs/a"}).status == 2);
  const ProgramResult help = run_lathe({"report", "--help"});
  CHECK(help.status == 0);
  CHECK(has(help.out, "--out"));
  CHECK(has(help.out, "--json"));
}
