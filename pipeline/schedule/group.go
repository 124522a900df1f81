package schedule

// group is the consumer group: who is a member, who owns what, and how far each
// partition was committed.
type group struct {
	generation int
	member     []int // by node: the member id, 0 for none
	lastMember int
	owner      []int // by partition: node, or -1
	target     []int // by partition: node that it is to move to, or -1
	offset     []int64
}

func newGroup(nodes, partitions int) *group {
	g := &group{member: make([]int, nodes)}
	for range partitions {
		g.owner, g.target, g.offset = append(g.owner, -1), append(g.target, -1), append(g.offset, -1)
	}
	return g
}

// join makes node a member under a new member id. One that comes back before
// its session ended keeps what it owned, as a static member does; its former
// self is fenced.
func (g *group) join(node int) int {
	g.lastMember++
	if g.member[node] == 0 {
		g.generation++
	}
	g.member[node] = g.lastMember
	g.assign()
	return g.lastMember
}

// expire ends the session of node; its partitions go to the others.
func (g *group) expire(node int) {
	g.member[node] = 0
	for p := range g.owner {
		if g.owner[p] == node {
			g.owner[p], g.target[p] = -1, -1
		}
		if g.target[p] == node {
			g.target[p] = -1
		}
	}
	g.generation++
	g.assign()
}

// assign gives partitions without an owner to the member that has the fewest.
func (g *group) assign() {
	for p := range g.owner {
		if g.owner[p] >= 0 {
			continue
		}
		best, held := -1, 0
		for n := range g.member {
			if g.member[n] == 0 {
				continue
			}
			has := 0
			for _, o := range g.owner {
				if o == n {
					has++
				}
			}
			if best < 0 || has < held {
				best, held = n, has
			}
		}
		g.owner[p] = best
	}
}

// handOver completes a cooperative move: the old owner has released p.
func (g *group) handOver(p int) {
	if t := g.target[p]; t >= 0 && g.member[t] != 0 {
		g.owner[p] = t
		g.generation++
	}
	g.target[p] = -1
}

// accepts tells whether a commit names the present generation and a member.
func (g *group) accepts(node, member, generation int) bool {
	return member != 0 && g.member[node] == member && g.generation == generation
}
