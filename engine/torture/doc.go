// Package torture runs processes of the real binary under load and does to them whatever a night
// may bring: kill -9, SIGSTOP past the session timeout, restarts, members that join and leave, an
// emptied state directory, a broker that is killed, ended or frozen, one of three too,
// connections that are cut or slow. Afterwards the processes run until they have
// caught up, and an audit (package audit) must find no difference: no interval different, missing
// or doubled, no rejected row lost, and tables equal to what was read.
//
// What happens when is drawn from a seed, which is printed; PENSTOCK_SEED runs one again. The
// schedule is the same then, though not what the machine makes of it.
//
// The package has only tests. Without flags they do a slice that fits a test run. All of it:
//
//	go test ./engine/torture -torture.full -timeout 3h -v
//
// PENSTOCK_TORTURE_BINARY names a binary to torture instead of one built from this tree.
package torture
