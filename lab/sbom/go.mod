module lab/sbom

go 1.26.8
