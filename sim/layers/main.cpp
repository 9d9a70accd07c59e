// Runs a layer pipeline: feeds its streams, takes its results, and writes down what stages did.
//
// Arguments: the job, the results, the record. A job is lines of words:
//
//   rates INPUT WEIGHTS OUTPUT SEED   how often of 256 cycles these are ready
//   input FILE                        beats of all images
//   weights STAGE FILE TIMES          beats of weights, so many times over
//   parameters STAGE FILE             records
//   run BEATS LIMIT                   until so many beats have come, and all stages have done so
//                                     many images; at most LIMIT cycles
//
// A beat fills whole bytes, the lowest first. The record is JSON: cycles, for each stage the cycles
// in which it worked and in which images ended, and the cycle of every image's last result.

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "Vtop.h"
#include "design.h"
#include "verilated.h"

namespace {

constexpr uint64_t PROGRESS = 1 << 16;  // cycles

using Bytes = std::vector<char>;

Bytes read(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + name);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

// Ready in so many of 256 cycles, at random.
struct Chance {
    unsigned rate = 256;
    uint64_t state = 1;

    bool draw() {
        if (rate >= 256) return true;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return (state & 255) < rate;
    }
};

// A stream into the design: offers beat after beat.
struct Feed {
    void* payload;
    size_t beat;
    CData& valid;
    const CData& ready;
    Bytes data = {};
    uint64_t left = 0;
    size_t next = 0;
    Chance chance = {};
    bool taken = false;

    void load(Bytes bytes, uint64_t times) {
        data = std::move(bytes);
        if (data.size() % beat) throw std::runtime_error("a file holds no whole beats");
        left = data.size() / beat * times;
    }

    void drive() {
        if (valid || !left || !chance.draw()) return;
        std::memcpy(payload, &data[next], beat);
        valid = 1;
    }

    void step() {
        if (!taken) return;
        valid = 0;
        --left;
        next += beat;
        if (next == data.size()) next = 0;
    }

    void sample() { taken = valid && ready; }
};

class Bench {
   public:
    explicit Bench(VerilatedContext& context) : top_(&context) {
        feeds_.push_back(feed(top_.i_payload, INPUT_BYTES, top_.i_valid, top_.i_ready));
#define LAYERS_FEEDS(k)                                                                          \
    feeds_.push_back(feed(top_.i_weights_##k##_payload, WEIGHT_BYTES_##k,                        \
                          top_.i_weights_##k##_valid, top_.i_weights_##k##_ready));              \
    feeds_.push_back(feed(top_.i_parameters_##k##_payload, PARAMETER_BYTES_##k,                  \
                          top_.i_parameters_##k##_valid, top_.i_parameters_##k##_ready));
        LAYERS_STAGES(LAYERS_FEEDS)
#undef LAYERS_FEEDS
        busy_.resize(STAGES);
        ends_.resize(STAGES);
    }

    ~Bench() { top_.final(); }

    void job(const std::string& line) {
        std::istringstream words(line);
        std::string name, file;
        size_t stage = 0;
        uint64_t times = 1;
        words >> name;
        if (name == "rates") {
            unsigned input = 0, weights = 0, output = 0;
            uint64_t seed = 0;
            words >> input >> weights >> output >> seed;
            for (size_t k = 0; k < feeds_.size(); ++k)
                feeds_[k].chance = {k ? weights : input, seed * 64 + k + 1};
            taking_ = {output, seed * 64 + 63};
        } else if (name == "input") {
            words >> file;
            feeds_[0].load(read(file), 1);
        } else if (name == "weights") {
            words >> stage >> file >> times;
            feeds_.at(1 + 2 * stage).load(read(file), times);
        } else if (name == "parameters") {
            words >> stage >> file;
            feeds_.at(2 + 2 * stage).load(read(file), 1);
        } else if (name == "run") {
            words >> wanted_ >> limit_;
        } else {
            throw std::runtime_error("bad job line: " + line);
        }
        if (!words) throw std::runtime_error("bad job line: " + line);
    }

    void run(std::ofstream& results) {
        top_.rst = 1;
        for (int k = 0; k < 4; ++k) edge();
        top_.rst = 0;
        uint64_t beats = 0;
        for (cycle_ = 0; working(beats) && cycle_ < limit_; ++cycle_) {
            for (Feed& one : feeds_) one.drive();
            top_.o_ready = taking_.draw();
            top_.clk = 0;
            top_.eval();
            for (Feed& one : feeds_) one.sample();
            if (top_.o_valid && top_.o_ready) {
                results.write(reinterpret_cast<const char*>(&top_.o_payload), OUTPUT_BYTES);
                ++beats;
                if (beats % IMAGE_BEATS == 0) images_.push_back(cycle_);
            }
            observe();
            top_.clk = 1;
            top_.eval();
            for (Feed& one : feeds_) one.step();
            if (cycle_ % PROGRESS == 0) std::cout << beats << ' ' << cycle_ << std::endl;
        }
        ended_ = !working(beats);
    }

    void record(std::ofstream& file) const {
        file << "{\"ended\": " << (ended_ ? "true" : "false") << ", \"cycles\": " << cycle_
             << ", \"images\": ";
        list(file, images_);
        file << ", \"busy\": ";
        list(file, busy_);
        file << ", \"ends\": [";
        for (size_t k = 0; k < ends_.size(); ++k) {
            if (k) file << ", ";
            list(file, ends_[k]);
        }
        file << "]}\n";
    }

   private:
    template <typename Port>
    static Feed feed(Port& payload, size_t beat, CData& valid, const CData& ready) {
        return Feed{&payload, beat, valid, ready};
    }

    void edge() {
        top_.clk = 0;
        top_.eval();
        top_.clk = 1;
        top_.eval();
    }

    // Results are to come, or a stage works on an image, if only on what the next does not read.
    bool working(uint64_t beats) const {
        for (const auto& ends : ends_)
            if (ends.size() < wanted_ / IMAGE_BEATS) return true;
        return beats < wanted_;
    }

    void observe() {
        for (size_t k = 0; k < STAGES; ++k) {
            busy_[k] += top_.o_busy >> k & 1;
            if (top_.o_ends >> k & 1) ends_[k].push_back(cycle_);
        }
    }

    static void list(std::ofstream& file, const std::vector<uint64_t>& values) {
        file << '[';
        for (size_t k = 0; k < values.size(); ++k) file << (k ? ", " : "") << values[k];
        file << ']';
    }

    Vtop top_;
    std::vector<Feed> feeds_;
    Chance taking_;
    std::vector<uint64_t> busy_, images_;
    std::vector<std::vector<uint64_t>> ends_;
    uint64_t wanted_ = 0, limit_ = 0, cycle_ = 0;
    bool ended_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 4) throw std::runtime_error("three files are needed");
        VerilatedContext context;
        context.randReset(0);
        Bench bench(context);
        std::ifstream job(argv[1]);
        for (std::string line; std::getline(job, line);) bench.job(line);
        std::ofstream results(argv[2], std::ios::binary), record(argv[3]);
        bench.run(results);
        bench.record(record);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
