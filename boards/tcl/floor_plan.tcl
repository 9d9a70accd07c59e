# The die of each column of the array, for the placer; run before place_design.
#
# A hint that moves whole columns with their feet: it draws no regions, and all else is free.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]

set column 0
foreach die $dies {
    set_property USER_SLR_ASSIGNMENT SLR$die \
        [get_cells -hierarchical -filter "NAME =~ *array/column_$column"]
    incr column
}
