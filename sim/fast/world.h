// The design, its clock and everything connected to its ports.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "Vtop.h"
#include "control.h"
#include "memory.h"
#include "trace.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

class World {
   public:
    explicit World(VerilatedContext& context)
        : context_(context),
          top_(&context),
          control_(lite_pins(top_)),
          write0_(POLYMAP_ADDRESS(top_, m_axi_gmem0_aw), write_pins(top_), timing_) {
#define POLYMAP_READER(number)                                                      \
    reads_.emplace_back(number, POLYMAP_ADDRESS(top_, m_axi_gmem##number##_ar),     \
                        POLYMAP_READ(top_, m_axi_gmem##number##_r), timing_);
        POLYMAP_READ_MASTERS(POLYMAP_READER)
#undef POLYMAP_READER
    }

    ~World() {
        top_.final();
#if VM_TRACE
        if (waves_) waves_->close();
#endif
    }

    // The reset pin, of the overlay and of all that is connected to it; the memory keeps its bytes.
    void reset() {
        top_.ap_rst_n = 0;
        for (int i = 0; i < 16; ++i) {
            for (ReadSlave& read : reads_) read.reset();
            write0_.reset();
            control_.reset();
            low();
            high();
        }
        top_.ap_rst_n = 1;
        for (int i = 0; i < 4; ++i) tick();
    }

    // One clock cycle: inputs are driven, the handshakes of the edge are sampled, then the edge.
    void tick() {
        const uint64_t now = cycle();
        for (ReadSlave& read : reads_) read.drive(now, memory_);
        write0_.drive(now);
        low();
        for (ReadSlave& read : reads_) read.sample(now, memory_);
        write0_.sample(now, memory_);
        control_.sample();
        sample_trace(now);
        high();
        for (ReadSlave& read : reads_) read.after_edge();
        write0_.after_edge();
        control_.after_edge();
        ++cycles_;
    }

    // An idle overlay expects nothing from the memory.
    void require_quiet() const {
        size_t left = write0_.outstanding();
        for (const ReadSlave& read : reads_) left += read.outstanding();
        if (left)
            throw std::runtime_error("the overlay is idle with " + std::to_string(left) +
                                     " bursts under way");
    }

    // Restarts what counts from the start of a run.
    void begin_run(uint32_t run) {
        start_ = cycles_;
        for (ReadSlave& read : reads_) read.begin_run(run);
        write0_.begin_run(run);
        trace_.begin_run(run);
    }

    uint32_t read_register(uint32_t offset) {
        control_.begin_read(offset);
        finish_access();
        return control_.value();
    }
    void write_register(uint32_t offset, uint32_t value) {
        control_.begin_write(offset, value);
        finish_access();
    }

    bool interrupt() const { return top_.__SYM__interrupt; }
    uint64_t cycle() const { return cycles_ - start_; }  // of this run
    Memory& memory() { return memory_; }
    Timing& timing() { return timing_; }
    Trace& trace() { return trace_; }
    uint64_t stray_bytes() const { return write0_.stray_bytes(); }
    uint64_t beats(unsigned channel) const {
        return channel < 2 ? reads_[channel].beats() : write0_.beats();
    }
    uint64_t bursts(unsigned channel) const {
        return channel < 2 ? reads_[channel].bursts() : write0_.bursts();
    }

    void open_waves(const std::string& path) {
#if VM_TRACE
        context_.traceEverOn(true);
        waves_ = std::make_unique<VerilatedVcdC>();
        top_.trace(waves_.get(), 99);
        waves_->open(path.c_str());
#else
        throw std::runtime_error("no waves for " + path + ": not built with them");
#endif
    }

   private:
    void low() {
        top_.ap_clk = 0;
        top_.eval();
        step_waves();
    }
    void high() {
        top_.ap_clk = 1;
        top_.eval();
        step_waves();
    }

    void finish_access() {
        for (int i = 0; i < 1000; ++i) {
            tick();
            if (control_.done()) return;
        }
        throw std::runtime_error("AXI4-Lite does not answer");
    }

    void sample_trace(uint64_t now) {
#if HAS_TRACE
        if (top_.trace_write_valid)
            trace_.write(top_.trace_write_address, top_.trace_write_low, top_.trace_write_high,
                         &top_.trace_write_data);
        if (top_.trace_start) {
            for (unsigned e = 0; e < ENGINES; ++e)
                if (top_.trace_start >> e & 1)
                    trace_.event(now, e, false, uint16_t(top_.trace_start_tag >> 16 * e));
        }
        if (top_.trace_retire) {
            for (unsigned e = 0; e < ENGINES; ++e)
                if (top_.trace_retire >> e & 1)
                    trace_.event(now, e, true, uint16_t(top_.trace_retire_tag >> 16 * e));
        }
        trace_.settle(now);
#else
        (void)now;
#endif
    }

    void step_waves() {
#if VM_TRACE
        if (waves_) waves_->dump(context_.time());
#endif
        context_.timeInc(1);
    }

    static WriteChannel write_pins(Vtop& top) {
        return {&top.m_axi_gmem0_wdata, &top.m_axi_gmem0_wstrb,  top.m_axi_gmem0_wlast,
                top.m_axi_gmem0_wvalid, top.m_axi_gmem0_wready,  top.m_axi_gmem0_bid,
                top.m_axi_gmem0_bresp,  top.m_axi_gmem0_bvalid,  top.m_axi_gmem0_bready};
    }
    static LitePins lite_pins(Vtop& top) {
        return {top.s_axi_control_awaddr,  top.s_axi_control_awvalid, top.s_axi_control_awready,
                top.s_axi_control_wdata,   top.s_axi_control_wstrb,   top.s_axi_control_wvalid,
                top.s_axi_control_wready,  top.s_axi_control_bvalid,  top.s_axi_control_bready,
                top.s_axi_control_araddr,  top.s_axi_control_arvalid, top.s_axi_control_arready,
                top.s_axi_control_rdata,   top.s_axi_control_rvalid,  top.s_axi_control_rready};
    }

    VerilatedContext& context_;
    Vtop top_;
    Memory memory_;
    Timing timing_;
    Trace trace_;
    LiteMaster control_;
    std::deque<ReadSlave> reads_;  // of gmem0, then of the weight ports; they do not move
    WriteSlave write0_;
    uint64_t cycles_ = 0;
    uint64_t start_ = 0;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> waves_;
#endif
};
