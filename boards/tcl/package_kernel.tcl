# Packages the overlay as an RTL kernel: vivado -mode batch -source package_kernel.tcl

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
set build [file join $here build]
set ip [file join $build ip]

create_project -force package_kernel [file join $build project] -part $part
add_files -norecurse [list [file join $here polymap.v] [file join $here polymap_kernel.v]]
set_property top $kernel [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $ip -vendor polymap -library kernel -taxonomy /KernelIP \
    -import_files -force
set core [ipx::current_core]
set_property name $kernel $core
set_property version 1.0 $core
set_property display_name $kernel $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {ctrl_protocol ap_ctrl_hs} $core
set_property ipi_drc {ignore_freq_hz true} $core
foreach bus $buses {
    ipx::associate_bus_interfaces -busif $bus -clock ap_clk $core
}
ipx::associate_bus_interfaces -clock ap_clk -reset ap_rst_n $core

# The control register, and the kernel's arguments in their order. Registers that only report are
# left out: an argument is something that the host writes.
set map [ipx::get_memory_maps s_axi_control -of_objects $core]
set block [ipx::get_address_blocks reg0 -of_objects $map]
set control [ipx::add_register CTRL $block]
set_property address_offset 0x000 $control
set_property size 32 $control
foreach argument $arguments {
    lassign $argument name offset bits bus text
    set register [ipx::add_register $name $block]
    set_property address_offset $offset $register
    set_property size $bits $register
    set_property description $text $register
    if {$bus ne ""} {
        set parameter [ipx::add_register_parameter ASSOCIATED_BUSIF $register]
        set_property value $bus $parameter
    }
}

ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
package_xo -force -xo_path [file join $build $kernel.xo] -kernel_name $kernel \
    -ip_directory $ip -ctrl_protocol ap_ctrl_hs
close_project
