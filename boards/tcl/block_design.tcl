# Builds a bitstream around the overlay: vivado -mode batch -source block_design.tcl
#
# XDMA and the overlay run on the PCIe core's user clock; the host and the overlay reach all DDR4
# channels of settings.tcl at the same addresses. Pins come from the board's files in Vivado.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
set build [file join $here build]

create_project -force polymap [file join $build project] -part $part
set_property board_part $board_part [current_project]
add_files -norecurse [list [file join $here polymap.v] [file join $here polymap_kernel.v]]
update_compile_order -fileset sources_1
create_bd_design system

# PCIe
create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:diff_clock_rtl:1.0 pcie_refclk
set_property CONFIG.FREQ_HZ 100000000 [get_bd_intf_ports pcie_refclk]
create_bd_intf_port -mode Master -vlnv xilinx.com:interface:pcie_7x_mgt_rtl:1.0 $pcie
create_bd_port -dir I -type rst pcie_perstn
set_property CONFIG.POLARITY ACTIVE_LOW [get_bd_ports pcie_perstn]

create_bd_cell -type ip -vlnv xilinx.com:ip:util_ds_buf pcie_clock
set_property -dict [list \
    CONFIG.C_BUF_TYPE IBUFDSGTE \
    CONFIG.DIFF_CLK_IN_BOARD_INTERFACE pcie_refclk \
    CONFIG.USE_BOARD_FLOW true \
] [get_bd_cells pcie_clock]
create_bd_cell -type ip -vlnv xilinx.com:ip:xdma xdma
set_property -dict [list \
    CONFIG.PCIE_BOARD_INTERFACE $pcie \
    CONFIG.SYS_RST_N_BOARD_INTERFACE pcie_perstn \
    CONFIG.pl_link_cap_max_link_speed 8.0_GT/s \
    CONFIG.axi_data_width 256_bit \
    CONFIG.axisten_freq $axi_mhz \
    CONFIG.xdma_axi_intf_mm AXI_Memory_Mapped \
    CONFIG.xdma_rnum_chnl 1 \
    CONFIG.xdma_wnum_chnl 1 \
    CONFIG.xdma_num_usr_irq 1 \
    CONFIG.axilite_master_en true \
    CONFIG.axilite_master_scale Kilobytes \
    CONFIG.axilite_master_size 64 \
] [get_bd_cells xdma]
connect_bd_intf_net [get_bd_intf_ports pcie_refclk] [get_bd_intf_pins pcie_clock/CLK_IN_D]
connect_bd_intf_net [get_bd_intf_ports $pcie] [get_bd_intf_pins xdma/pcie_mgt]
connect_bd_net [get_bd_ports pcie_perstn] [get_bd_pins xdma/sys_rst_n]
connect_bd_net [get_bd_pins pcie_clock/IBUF_OUT] [get_bd_pins xdma/sys_clk_gt]
connect_bd_net [get_bd_pins pcie_clock/IBUF_DS_ODIV2] [get_bd_pins xdma/sys_clk]
set clock [get_bd_pins xdma/axi_aclk]
set reset_n [get_bd_pins xdma/axi_aresetn]

# Overlay
create_bd_cell -type module -reference $kernel overlay
connect_bd_net $clock [get_bd_pins overlay/ap_clk]
connect_bd_net $reset_n [get_bd_pins overlay/ap_rst_n]
connect_bd_net [get_bd_pins overlay/interrupt] [get_bd_pins xdma/usr_irq_req]

# Control: PCIe BAR to the overlay's registers
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect control
set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI 1] [get_bd_cells control]
connect_bd_net $clock [get_bd_pins control/aclk]
connect_bd_net $reset_n [get_bd_pins control/aresetn]
connect_bd_intf_net [get_bd_intf_pins xdma/M_AXI_LITE] [get_bd_intf_pins control/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins control/M00_AXI] [get_bd_intf_pins overlay/s_axi_control]

# Memory: DMA and all of the overlay's masters to every DDR4 channel
set sources {xdma/M_AXI}
foreach master $masters {
    lappend sources overlay/$master
}
set channels [llength $memories]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect memory
set_property -dict [list \
    CONFIG.NUM_SI [llength $sources] \
    CONFIG.NUM_MI $channels \
    CONFIG.NUM_CLKS [expr {1 + $channels}] \
] [get_bd_cells memory]
connect_bd_net $clock [get_bd_pins memory/aclk]
connect_bd_net $reset_n [get_bd_pins memory/aresetn]
for {set k 0} {$k < [llength $sources]} {incr k} {
    connect_bd_intf_net [get_bd_intf_pins [lindex $sources $k]] \
        [get_bd_intf_pins memory/S0${k}_AXI]
}
create_bd_cell -type ip -vlnv xilinx.com:ip:util_vector_logic reset
set_property -dict [list CONFIG.C_OPERATION not CONFIG.C_SIZE 1] [get_bd_cells reset]
connect_bd_net $reset_n [get_bd_pins reset/Op1]

for {set k 0} {$k < $channels} {incr k} {
    lassign [lindex $memories $k] pins oscillator offset range
    create_bd_intf_port -mode Master -vlnv xilinx.com:interface:ddr4_rtl:1.0 $pins
    create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:diff_clock_rtl:1.0 $oscillator
    set_property CONFIG.FREQ_HZ 300000000 [get_bd_intf_ports $oscillator]
    create_bd_cell -type ip -vlnv xilinx.com:ip:ddr4 ddr4_$k
    set_property -dict [list \
        CONFIG.C0_DDR4_BOARD_INTERFACE $pins \
        CONFIG.C0_CLOCK_BOARD_INTERFACE $oscillator \
    ] [get_bd_cells ddr4_$k]
    create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset ddr4_reset_$k
    connect_bd_intf_net [get_bd_intf_ports $oscillator] [get_bd_intf_pins ddr4_$k/C0_SYS_CLK]
    connect_bd_intf_net [get_bd_intf_ports $pins] [get_bd_intf_pins ddr4_$k/C0_DDR4]
    connect_bd_net [get_bd_pins reset/Res] [get_bd_pins ddr4_$k/sys_rst]
    connect_bd_net [get_bd_pins ddr4_$k/c0_ddr4_ui_clk] \
        [get_bd_pins ddr4_reset_$k/slowest_sync_clk] [get_bd_pins memory/aclk[expr {1 + $k}]]
    connect_bd_net [get_bd_pins ddr4_$k/c0_ddr4_ui_clk_sync_rst] \
        [get_bd_pins ddr4_reset_$k/ext_reset_in]
    connect_bd_net [get_bd_pins ddr4_reset_$k/peripheral_aresetn] \
        [get_bd_pins ddr4_$k/c0_ddr4_aresetn]
    connect_bd_intf_net [get_bd_intf_pins memory/M0${k}_AXI] \
        [get_bd_intf_pins ddr4_$k/C0_DDR4_S_AXI]
    foreach source $sources {
        assign_bd_address -offset $offset -range $range \
            -target_address_space [get_bd_addr_spaces $source] \
            [get_bd_addr_segs ddr4_$k/C0_DDR4_MEMORY_MAP/C0_DDR4_ADDRESS_BLOCK]
    }
}
assign_bd_address -offset 0x0 -range 4K \
    -target_address_space [get_bd_addr_spaces xdma/M_AXI_LITE] \
    [get_bd_addr_segs overlay/s_axi_control/reg0]

validate_bd_design
save_bd_design
make_wrapper -files [get_files system.bd] -top -import
set_property top system_wrapper [current_fileset]
update_compile_order -fileset sources_1

set_property STEPS.PLACE_DESIGN.TCL.PRE [file join $here floor_plan.tcl] [get_runs impl_1]
launch_runs impl_1 -jobs 4
wait_on_run impl_1
open_run impl_1
report_utilization -file [file join $build utilization.rpt]
report_timing_summary -file [file join $build timing.rpt]
set slack [get_property STATS.WNS [get_runs impl_1]]
if {$slack < 0} {
    error "timing is not met by [expr {-$slack}] ns: see timing.rpt"
}
write_bitstream -force [file join $build polymap.bit]
