// From scores to figures: accuracies and bits per byte with their standard errors, of one model and
// of the difference of two.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "eval/choice_item.h"
#include "eval/multiple_choice.h"

namespace lathe {

// A mean over items and its standard error: the sample's deviation (n − 1) / √n, NaN for fewer than
// two.
struct Figure {
  double mean = 0, error = 0;
};
Figure figure_of(std::span<const double> values);

// Which choice is taken: the first with the largest score, or with the largest score per code point
// of the choice (acc_norm) or per token of its continuation (acc_token_norm).
struct Predictions {
  size_t plain = 0, per_character = 0, per_token = 0;
};
Predictions predict(const ChoiceItem& item, const EncodedItem& encoded,
                    std::span<const double> scores);

// What an item contributes to each figure, by the figure's name, in their order.
struct ItemFigure {
  std::string_view name;
  double value;
};
// acc, acc_norm, acc_token_norm, bits_per_byte. Bits per byte is −log2 p of the right continuation
// by its bytes, and the task's is the mean of its items' (each weighs the same; the standard error
// is that of a mean). Whole texts (gpt-variations) have acc alone: their scores are no
// likelihoods.
std::vector<ItemFigure> figures_of(const ChoiceItem& item, const EncodedItem& encoded,
                                   std::span<const double> scores);

// {"acc": …, "acc_stderr": …, …} over items; an error that there is not is null.
using FigureRows = std::vector<std::vector<ItemFigure>>;
Json summarise(const FigureRows& rows);
// The same of `rows` − `others`, item by item: the standard error of a paired difference. One row
// each an item, of the same items.
Json summarise_difference(const FigureRows& rows, const FigureRows& others);

}  // namespace lathe
