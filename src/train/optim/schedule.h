// The learning rate of a step: a pure function.
#pragma once

#include "run/run_spec.h"

namespace lathe::train {

// Steps meant by a number that is a share below 1 and a count from 1 on.
i64 share_or_steps(double value, i64 steps);

// lr of update `step` (0 … steps-1): linear warm-up lr·(step+1)/warmup, then over the rest, from lr
// to min_lr·lr, a half cosine, a line, or (wsd) a constant followed by 1 − √progress over
// `cooldown`.
double learning_rate(const ScheduleSpec& schedule, double peak, i64 step, i64 steps);

}  // namespace lathe::train
