// Package tail reads the last records of a topic and follows it, as penstock tail and the prompt's
// \tail do. It reads what is committed, by partition and offset, without a consumer group: nobody
// else notices, and nothing is remembered.
package tail
