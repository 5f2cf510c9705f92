module aiotls/peer

go 1.26
