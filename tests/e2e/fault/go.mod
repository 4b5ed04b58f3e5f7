module lab/fault

go 1.26
