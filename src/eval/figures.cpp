#include "eval/figures.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"

namespace lathe {

Figure figure_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  Figure f;
  for (const double x : values) f.mean += x / n;
  double squares = 0;
  for (const double x : values) squares += (x - f.mean) * (x - f.mean);
  f.error = values.size() < 2 ? std::nan("") : std::sqrt(squares / (n - 1) / n);
  return f;
}

namespace {

template <class Divisor>
size_t best(std::span<const double> scores, const Divisor& divisor) {
  size_t at = 0;
  for (size_t i = 1; i < scores.size(); ++i) {
    if (scores[i] / divisor(i) > scores[at] / divisor(at)) at = i;
  }
  return at;
}

Json to_json(const FigureRows& rows, const std::function<double(size_t, size_t)>& value) {
  Json out = Json::object();
  if (rows.empty()) return out;
  std::vector<double> values(rows.size());
  for (size_t figure = 0; figure < rows[0].size(); ++figure) {
    for (size_t i = 0; i < rows.size(); ++i) values[i] = value(i, figure);
    const Figure f = figure_of(values);
    const std::string name(rows[0][figure].name);
    out[name] = f.mean;
    out[name + "_stderr"] = std::isnan(f.error) ? Json(nullptr) : Json(f.error);
  }
  return out;
}

}  // namespace

Predictions predict(const ChoiceItem& item, const EncodedItem& encoded,
                    std::span<const double> scores) {
  Predictions p;
  p.plain = best(scores, [](size_t) { return 1.0; });
  p.per_character = p.per_token = p.plain;
  if (encoded.requests.empty()) return p;
  p.per_character = best(scores, [&](size_t i) {
    return static_cast<double>(std::max<i64>(1, item.choices[i].n_characters));
  });
  p.per_token = best(scores, [&](size_t i) {
    return static_cast<double>(encoded.requests[i].continuation.size());
  });
  return p;
}

std::vector<ItemFigure> figures_of(const ChoiceItem& item, const EncodedItem& encoded,
                                   std::span<const double> scores) {
  const Predictions p = predict(item, encoded, scores);
  const auto is_right = [&](size_t choice) { return choice == item.gold ? 1.0 : 0.0; };
  std::vector<ItemFigure> figures = {{"acc", is_right(p.plain)}};
  if (encoded.requests.empty()) return figures;
  figures.push_back({"acc_norm", is_right(p.per_character)});
  figures.push_back({"acc_token_norm", is_right(p.per_token)});
  const auto bytes = static_cast<double>(item.choices[item.gold].continuation.size());
  figures.push_back({"bits_per_byte", -scores[item.gold] / std::numbers::ln2 / bytes});
  return figures;
}

Json summarise(const FigureRows& rows) {
  return to_json(rows, [&](size_t i, size_t figure) { return rows[i][figure].value; });
}

Json summarise_difference(const FigureRows& rows, const FigureRows& others) {
  LATHE_CHECK(rows.size() == others.size());
  return to_json(rows, [&](size_t i, size_t figure) {
    return rows[i][figure].value - others[i][figure].value;
  });
}

}  // namespace lathe
