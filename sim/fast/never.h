// A cycle, or a number of a burst, that never comes.
#pragma once

#include <cstdint>

constexpr uint64_t NEVER = ~uint64_t{0};
