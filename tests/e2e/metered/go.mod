module lab/metered

go 1.26
