package plan

import (
	"fmt"
	"strings"
)

// topicNameFault tells what is wrong with a topic name, by Kafka's own rules.
func topicNameFault(name string) *fault {
	switch {
	case name == "":
		return faultf(codeTopic, "an empty topic name").expect("", "write for example topic = 'orders'")
	case name == "." || name == "..":
		return faultf(codeTopic, "Kafka has no topic named %q", name).expect("", "choose another name")
	case len(name) > 249:
		return faultf(codeTopic, "a topic name of %d characters; Kafka takes at most 249", len(name)).expect("", "choose a shorter name")
	case strings.HasPrefix(name, "__"):
		return faultf(codeTopic, "topic %q is one of Kafka's own", name).
			expect("", "choose a name that does not begin with two underscores")
	}
	for _, r := range name {
		if !topicRune(r) {
			return faultf(codeTopic, "topic name %q has the character %q", name, r).
				expect("letters, digits, '.', '_' and '-' only", "write for example '%s'", strings.Map(topicSafe, name))
		}
	}
	return nil
}

func topicRune(r rune) bool {
	return r < 128 && (nameRune(r) || r == '.' || r == '-')
}

func topicSafe(r rune) rune {
	if topicRune(r) {
		return r
	}
	return '-'
}

func nameRune(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// internalSuffixes end the names of the topics that an application makes for itself.
var internalSuffixes = []string{"-decisions", "-frames", "-table", "-loop", "-rejects", "-replayed", "-members"}

// InternalTopic tells whether a topic is one that an application of this name makes for itself.
func InternalTopic(app, topic string) bool {
	if !strings.HasPrefix(topic, app+"-") {
		return false
	}
	for _, s := range internalSuffixes {
		if strings.HasSuffix(topic, s) {
			return true
		}
	}
	return false
}

// CheckApp refuses a plan that reads or writes an internal topic of the application it is to run
// as. It is apart from Bind because only the caller knows the application's name.
func (p *Plan) CheckApp(app string) error {
	for _, s := range p.Streams {
		if InternalTopic(app, s.Options.Topic) {
			return fmt.Errorf("stream %s reads topic %q, which application %q keeps its own state in: choose another --app or topic", s.Name, s.Options.Topic, app)
		}
	}
	for _, m := range p.Metrics {
		if InternalTopic(app, m.Topic) {
			return fmt.Errorf("metric %s writes topic %q, which application %q keeps its own state in: choose another --app or topic", m.Name, m.Topic, app)
		}
	}
	return nil
}
