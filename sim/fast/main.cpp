// Runs a job file on the design: one command a line, results as JSON lines and binary files.
//
//   dram BASE BYTES SEED                     place of the memory, filled with random bytes
//   timing KEY=VALUE ...                     members of Timing; the others are reset
//   writable ADDRESS BYTES                   where a run may write: other bytes are counted as stray
//   load ADDRESS FILE OFFSET BYTES           file -> memory
//   save ADDRESS BYTES FILE                  memory -> end of file
//   write OFFSET VALUE, read OFFSET          registers
//   dump LOAD CONV POOL STORE ADDRESS PITCH CHANNELS PIXELS   what runs dump, and when: once the
//                                            engines have retired so many instructions
//   clear                                    no dumps
//   run LIMIT                                await idle, start, wait for done; at most LIMIT cycles
//   cut CYCLES                               await idle, start, reset after so many cycles
//   reset, waves FILE
//
// Arguments: the job, the JSON lines, the dumps, the events.

#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "world.h"

namespace {

constexpr uint64_t IDLE_CYCLES = 100'000;  // that a run before this one may take to end

uint64_t number(const std::string& text) { return std::stoull(text, nullptr, 0); }

class Job {
   public:
    Job(World& world, const char* results, const char* dumps, const char* events)
        : world_(world),
          results_(results),
          dumps_(dumps, std::ios::binary),
          events_(events, std::ios::binary) {}

    void execute(const std::string& line) {
        std::istringstream stream(line);
        std::vector<std::string> words;
        for (std::string word; stream >> word;) words.push_back(word);
        if (words.empty()) return;
        const std::string name = words.front();
        words.erase(words.begin());
        using Method = void (Job::*)(const Words&);
        static const std::map<std::string, std::pair<Method, size_t>> commands = {
            {"dram", {&Job::dram, 3}},   {"timing", {&Job::timing, 0}}, {"load", {&Job::load, 4}},
            {"save", {&Job::save, 3}},   {"write", {&Job::write, 2}},   {"read", {&Job::read, 1}},
            {"dump", {&Job::dump, 8}},   {"clear", {&Job::clear, 0}},   {"run", {&Job::run, 1}},
            {"reset", {&Job::reset, 0}}, {"waves", {&Job::waves, 1}}, {"cut", {&Job::cut, 1}},
            {"writable", {&Job::writable, 2}},
        };
        const auto found = commands.find(name);
        if (found == commands.end() || words.size() < found->second.second)
            throw std::runtime_error("bad job line: " + line);
        (this->*found->second.first)(words);
    }

   private:
    using Words = std::vector<std::string>;

    void dram(const Words& words) {
        world_.memory().resize(number(words[0]), number(words[1]), number(words[2]));
    }

    void timing(const Words& words) {
        world_.timing() = Timing();
        for (const std::string& word : words) world_.timing().set(word);
    }

    void writable(const Words& words) {
        world_.memory().allow(number(words[0]), number(words[1]));
    }

    void load(const Words& words) {
        std::ifstream file(words[1], std::ios::binary);
        const uint64_t bytes = number(words[3]);
        file.seekg(std::streamoff(number(words[2])));
        auto* to = reinterpret_cast<char*>(world_.memory().at(number(words[0]), bytes));
        if (!file.read(to, std::streamsize(bytes)))
            throw std::runtime_error("cannot read " + words[1]);
    }

    void save(const Words& words) {
        const uint64_t bytes = number(words[1]);
        std::ofstream file(words[2], std::ios::binary | std::ios::app);
        const auto* from = reinterpret_cast<const char*>(world_.memory().at(number(words[0]), bytes));
        if (!file.write(from, std::streamsize(bytes)))
            throw std::runtime_error("cannot write " + words[2]);
    }

    void write(const Words& words) {
        world_.write_register(uint32_t(number(words[0])), uint32_t(number(words[1])));
    }

    void read(const Words& words) {
        const uint32_t value = world_.read_register(uint32_t(number(words[0])));
        results_ << "{\"register\": " << number(words[0]) << ", \"value\": " << value << "}\n";
    }

    void dump(const Words& words) {
        world_.trace().add({{number(words[0]), number(words[1]), number(words[2]), number(words[3])},
                            number(words[4]), number(words[5]), number(words[6]), number(words[7])});
    }

    void clear(const Words&) { world_.trace().clear(); }
    void reset(const Words&) { world_.reset(); }
    void waves(const Words& words) { world_.open_waves(words[0]); }

    void run(const Words& words) {
        if (hung_) return;  // the overlay cannot start
        const uint64_t limit = number(words[0]);
        start();
        while (!world_.interrupt() && world_.cycle() < limit) {
            world_.tick();
            if (world_.cycle() % 1024 == 0) progress();
        }
        const bool ended = world_.interrupt();
        const uint64_t cycles = world_.cycle();
        if (ended) world_.write_register(REGISTER_INTERRUPT_STATUS, 1);
        hung_ = !ended;
        report(ended, cycles);
        ++run_;
    }

    void cut(const Words& words) {
        if (hung_) return;
        start();
        while (world_.cycle() < number(words[0])) world_.tick();
        world_.reset();
    }

    void start() {
        world_.write_register(REGISTER_GLOBAL_INTERRUPT_ENABLE, 1);
        world_.write_register(REGISTER_INTERRUPT_ENABLE, 1);
        await_idle();
        world_.require_quiet();
        world_.begin_run(run_);
        world_.write_register(REGISTER_CONTROL, CONTROL_START);
    }

    // As every host must: the overlay is idle, and no end of another run is left to be read.
    void await_idle() {
        world_.begin_run(run_);
        while (!(world_.read_register(REGISTER_CONTROL) & CONTROL_IDLE))
            if (world_.cycle() > IDLE_CYCLES)
                throw std::runtime_error("run " + std::to_string(run_) +
                                         ": the overlay did not become idle before it");
        const uint32_t pending = world_.read_register(REGISTER_INTERRUPT_STATUS);
        if (pending) world_.write_register(REGISTER_INTERRUPT_STATUS, pending);
    }

    void report(bool ended, uint64_t cycles) {
        results_ << "{\"run\": " << run_ << ", \"ended\": " << (ended ? "true" : "false")
                 << ", \"elapsed\": " << cycles;
        for (unsigned channel = 0; channel < 3; ++channel) {
            static const char* const names[] = {"read0", "read1", "write0"};
            results_ << ", \"" << names[channel] << "_beats\": " << world_.beats(channel);
            results_ << ", \"" << names[channel] << "_bursts\": " << world_.bursts(channel);
        }
        results_ << ", \"stray_bytes\": " << world_.stray_bytes() << ", \"registers\": {";
        const char* separator = "";
        for (const Register& entry : REGISTERS) {
            uint64_t value = world_.read_register(entry.offset);
            if (entry.words == 2) value |= uint64_t{world_.read_register(entry.offset + 4)} << 32;
            results_ << separator << '"' << entry.name << "\": " << value;
            separator = ", ";
        }
        results_ << "}, \"dumped\": [";
        separator = "";
        for (const std::vector<uint8_t>& bytes : world_.trace().taken()) {
            results_ << separator << bytes.size();
            separator = ", ";
            dumps_.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
        }
        const std::vector<Event>& events = world_.trace().events();
        results_ << "], \"events\": " << events.size() << "}\n";
        events_.write(reinterpret_cast<const char*>(events.data()),
                      std::streamsize(events.size() * sizeof(Event)));
    }

    void progress() {
        const auto now = std::chrono::steady_clock::now();
        if (now - reported_ < std::chrono::milliseconds(200)) return;
        reported_ = now;
        std::cout << run_ << ' ' << world_.cycle() << std::endl;
    }

    World& world_;
    std::ofstream results_, dumps_, events_;
    uint32_t run_ = 0;
    bool hung_ = false;  // there are no runs behind one that did not end
    std::chrono::steady_clock::time_point reported_{};
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) {
        std::cerr << "usage: " << arguments[0] << " JOB RESULTS DUMPS EVENTS\n";
        return 2;
    }
    try {
        VerilatedContext context;
        World world(context);
        Job job(world, arguments[2], arguments[3], arguments[4]);
        std::ifstream file(arguments[1]);
        if (!file) throw std::runtime_error(std::string("cannot read ") + arguments[1]);
        for (std::string line; std::getline(file, line);) job.execute(line);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
