// The AXI4-Lite master that plays the host.
#pragma once

#include <cstdint>
#include <stdexcept>

struct LitePins {
    uint16_t& write_address;
    uint8_t& write_address_valid;
    uint8_t& write_address_ready;
    uint32_t& write_data;
    uint8_t& write_strobe;
    uint8_t& write_valid;
    uint8_t& write_ready;
    uint8_t& response_valid;
    uint8_t& response_ready;
    uint16_t& read_address;
    uint8_t& read_address_valid;
    uint8_t& read_address_ready;
    uint32_t& read_data;
    uint8_t& read_valid;
    uint8_t& read_ready;
};

class LiteMaster {
   public:
    explicit LiteMaster(LitePins pins) : pins_(pins) {
        pins_.response_ready = 1;
        pins_.read_ready = 1;
        pins_.write_strobe = 0xF;
    }

    // Between a begin and done() the caller lets cycles pass.
    void begin_write(uint32_t address, uint32_t value) {
        pins_.write_address = static_cast<uint16_t>(address);
        pins_.write_data = value;
        pins_.write_address_valid = pins_.write_valid = 1;
        done_ = false;
    }
    void begin_read(uint32_t address) {
        pins_.read_address = static_cast<uint16_t>(address);
        pins_.read_address_valid = 1;
        done_ = false;
    }
    void reset() {
        pins_.write_address_valid = pins_.write_valid = pins_.read_address_valid = 0;
        done_ = true;
    }
    bool done() const { return done_; }
    uint32_t value() const { return value_; }

    void sample() {
        sent_address_ = pins_.write_address_valid && pins_.write_address_ready;
        sent_data_ = pins_.write_valid && pins_.write_ready;
        sent_read_ = pins_.read_address_valid && pins_.read_address_ready;
        if (pins_.read_valid) value_ = pins_.read_data;
        if (pins_.response_valid || pins_.read_valid) done_ = true;
    }
    void after_edge() {
        if (sent_address_) pins_.write_address_valid = 0;
        if (sent_data_) pins_.write_valid = 0;
        if (sent_read_) pins_.read_address_valid = 0;
    }

   private:
    LitePins pins_;
    bool done_ = true;
    bool sent_address_ = false, sent_data_ = false, sent_read_ = false;
    uint32_t value_ = 0;
};
