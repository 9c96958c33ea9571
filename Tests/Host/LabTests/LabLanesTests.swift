import NamespaceHarness
import Synchronization
import Testing

@Suite struct LabLanesTests {
    /// Counts who holds lanes, and the most that held one at the same time.
    private final class Holders: Sendable {
        let counts = Mutex((now: 0, most: 0, order: [String]()))
        func enter(_ name: String) {
            counts.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
                $0.order.append(name)
            }
        }
        func leave() { counts.withLock { $0.now -= 1 } }
    }

    @Test func noMoreLabsRunThanThereAreLanes() async {
        let lanes = LabLanes(2)
        let holders = Holders()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<50 {
                group.addTask {
                    let lane = await lanes.lane()
                    holders.enter("\(index)")
                    await Task.yield()
                    holders.leave()
                    lane.end()
                }
            }
        }
        #expect(holders.counts.withLock { $0.most } <= 2)
        #expect(holders.counts.withLock { $0.order.count } == 50)
    }

    /// A lab that waits for all lanes keeps nobody from a lane that is free.
    @Test(.timeLimit(.minutes(1))) func labsThatNeedAllLanesComeLast() async {
        let lanes = LabLanes(2)
        let holders = Holders()
        let first = await lanes.lane()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                let lane = await lanes.lane(alone: true)
                holders.enter("alone")
                lane.end()
            }
            group.addTask {
                for index in 0..<10 {
                    let lane = await lanes.lane()
                    holders.enter("\(index)")
                    lane.end()
                }
                first.end()
            }
        }
        #expect(holders.counts.withLock { $0.order } == (0..<10).map(String.init) + ["alone"])
    }

    @Test func aLabThatIsAloneHasNobodyBesideIt() async {
        let lanes = LabLanes(2)
        let holders = Holders()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                group.addTask {
                    let isAlone = index % 4 == 0
                    let lane = await lanes.lane(alone: isAlone)
                    holders.enter(isAlone ? "alone" : "\(index)")
                    await Task.yield()
                    if isAlone { #expect(holders.counts.withLock { $0.now } == 1) }
                    holders.leave()
                    lane.end()
                }
            }
        }
        #expect(holders.counts.withLock { $0.order.count } == 40)
    }
}
