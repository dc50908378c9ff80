// What C++ builds before main.

#include <map>
#include <string>
#include <vector>

namespace {

int built = 0;

struct Library {
    std::vector<int> numbers;
    std::string name;
    std::map<std::string, int> ages;

    Library() : numbers{3, 1, 4, 1, 5}, name("a name too long to be kept inside the string itself") {
        ages["ada"] = 36;
        ages["alan"] = 41;
        ++built;
    }
};

Library library;
std::vector<int> copy = library.numbers;

}  // namespace

extern "C" {

int cpp_times_built() { return built; }
int cpp_sum_of_copy() {
    int sum = 0;
    for (int number : copy) sum += number;
    return sum;
}
int cpp_length_of_name() { return static_cast<int>(library.name.size()); }
int cpp_age(const char *name) {
    auto found = library.ages.find(name);
    return found == library.ages.end() ? -1 : found->second;
}

}
