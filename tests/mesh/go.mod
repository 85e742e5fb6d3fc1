module tickhub/tests/mesh

go 1.26
