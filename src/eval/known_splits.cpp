// Which items belong to which split of a benchmark, by what they hold: a file under another's name
// is found out. Hashes are hash_of() of the harness's requests and answers.
#include "eval/benchmarks.h"

namespace lathe {

namespace {

constexpr KnownSplit kKnown[] = {
    // Of these only the number of items is known.
    {"hellaswag", "validation", 10042},
    {"arc_challenge", "test", 1172},
    {"openbookqa", "test", 500},
    {"boolq", "validation", 3270},
    // The six-line form of HellaSwag: its ActivityNet part.
    {"hellaswag", "validation", 3243, 0xd75613e38f5764d8, 0x4688bd3fbeb6609a, 0x066773c28e839230},
    {"winogrande", "validation", 1267, 0x971864cc08427c3b, 0x84961bf5cb5c51c9, 0xca848a8f6d15d291},
    {"winogrande", "train", 160, 0x9db8620f412974c5, 0x392ac61d493d470e, 0xa2168339795d6ca8},
    {"commonsense_qa", "validation", 1221, 0xfd7c017851f03e60, 0x152496efab4db08b,
     0x9f36da69e8902806},
    {"commonsense_qa", "train", 9741, 0x6677415cbcf20f7c, 0xeee9f12a3a0f8dbd, 0xc00815bf777e02f7},
    {"anli_r1", "test", 1000, 0xe4a98650a2b12ea0, 0xa03070522e1f87ed, 0x775d65896b9a85a3},
    {"anli_r1", "dev", 1000, 0x0e8a5979a6e6df03, 0x4a6218a5269dc0e9, 0xcdf241c55eeea95b},
    {"anli_r2", "test", 1000, 0x7da6cbb0206a0993, 0xf95b67620c327d30, 0xdcde3f92c2421f62},
    {"anli_r2", "dev", 1000, 0xb9be2fd885e5d5a3, 0x396f85bff3770f17, 0x936301c4ad12888d},
    {"anli_r3", "test", 1200, 0x0b760730fe638328, 0x5806563657b6249b, 0x1a0103c6f48bca3d},
    {"anli_r3", "dev", 1200, 0x0bbaa5d3712ec564, 0x62f78d5366c9c32e, 0x25c5bc955ef89cf9},
    {"piqa", "validation", 1838, 0xde1847f9524d743e, 0xb46b90cf3f73519f, 0x6f865bcd6f97bc43},
    {"copa", "validation", 100, 0x6eb85c97aff661ac, 0xd940026e0faaf5f8, 0x017cb3a5942719da},
    {"copa", "dev", 500, 0xc3e0995401874818, 0xda9b885c2e3a1f6d, 0x017cb3a5942719da},
    {"copa", "test", 500, 0xcc3691555e9ed9af, 0x83f93d43a202bd9c, 0x9246e413185df2d8},
    {"arc_easy", "test", 2376, 0xd673c5bdd14aac57, 0x6a15b7339e638b58, 0x0ebbeede9a48e498},
    {"arc_easy", "validation", 570, 0xf87da66ed33ec4df, 0xd412b20b2f24379c, 0xffc3863259cb294b},
    {"arc_easy", "train", 2251, 0xeab6facdd8d112ed, 0x3819102af258cff0, 0x6c1cfbb9962c9f15},
};

}  // namespace

std::span<const KnownSplit> known_splits() { return kKnown; }

}  // namespace lathe
