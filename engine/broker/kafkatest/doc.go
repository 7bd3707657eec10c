// Package kafkatest runs a real Apache Kafka for tests and measurements, without
// Docker: the jars come from Maven Central once, into the user's cache, and run
// in KRaft mode, broker and controller in one java process per node.
//
// A test that should hold on any Kafka asks for all there are:
//
//	func TestMain(m *testing.M) { kafkatest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		for _, b := range kafkatest.Brokers(t) {
//			t.Run(b.Name, func(t *testing.T) { ... b.Addr ... })
//		}
//	}
//
// That is the embedded broker always, and Apache Kafka where java and mvn are.
// The test process shares one Apache Kafka, so topics and groups need names of
// their own (Unique). A test of what happens when brokers die starts its own with
// Start.
//
// The environment variable PENSTOCK_TEST_KAFKA decides: "required" makes it an
// error when Apache Kafka cannot run (continuous integration says so), "off"
// leaves it out, host:port uses one that is running already. Otherwise it is used
// when it can be, and the test log says why when it is not.
package kafkatest
