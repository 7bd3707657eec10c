package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// takeOver ends the open transactions of processes that are no longer in a group. A process that
// dies inside a transaction leaves it open: readers of its topics wait behind it, and so do the
// offsets it was about to commit. Its own next start ends it (own is then its instance id, which the
// group may still know as that of a member), but when somebody else takes the partitions, nobody would
// before the transaction times out, up to twenty seconds later; own is empty then.
//
// InitProducerId on the dead one's transactional id aborts the transaction at once and fences the
// process, in case it was only asleep. A member that was thrown out of the group and is about to
// come back is fenced as well; it begins again, which it would have had to anyway.
func (c *cluster) takeOver(ctx context.Context, n names, group, own string) error {
	prefix := n.TransactionPrefix(group)
	open, err := c.openTransactions(ctx, prefix)
	if err != nil || len(open) == 0 {
		return err
	}
	alive, err := c.instances(ctx, group)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range open {
		if instance := strings.TrimPrefix(id, prefix); instance == own || !alive[instance] {
			began := time.Now()
			if err := c.endTransaction(ctx, id); err != nil {
				errs = append(errs, err)
				continue
			}
			c.log.Info("transaction of a departed process ended", "group", group, "instance", instance, "took", time.Since(began))
		}
	}
	return errors.Join(errs...)
}

// openTransactions returns the transactional ids with a prefix whose transactions have begun.
// One that is already being ended needs no help.
func (c *cluster) openTransactions(ctx context.Context, prefix string) ([]string, error) {
	list, err := c.admin.ListTransactions(ctx, nil, []string{"Ongoing"})
	if err != nil {
		return nil, fmt.Errorf("list transactions: %w", err)
	}
	var open []string
	for id := range list {
		if strings.HasPrefix(id, prefix) {
			open = append(open, id)
		}
	}
	return open, nil
}

// instances returns the instance ids of the members of a group.
func (c *cluster) instances(ctx context.Context, group string) (map[string]bool, error) {
	groups, err := c.admin.DescribeGroups(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("describe group %s: %w", group, err)
	}
	alive := map[string]bool{}
	for _, g := range groups {
		if g.Err != nil {
			return nil, fmt.Errorf("describe group %s: %w", group, g.Err)
		}
		for _, m := range g.Members {
			if m.InstanceID != nil {
				alive[*m.InstanceID] = true
			}
		}
	}
	return alive, nil
}

// endTransaction aborts whatever is open under a transactional id and fences its user. Kafka
// answers the first request by beginning to abort and asking to come back.
func (c *cluster) endTransaction(ctx context.Context, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = kmsg.StringPtr(id)
	req.TransactionTimeoutMillis = 10_000
	req.ProducerID, req.ProducerEpoch = -1, -1
	err := settle(ctx, func() error {
		resp, err := req.RequestWith(ctx, c.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return fmt.Errorf("end transaction of %s: %w", id, err)
	}
	return nil
}
