import Foundation
import Synchronization

/// How many labs tests may run side by side on this host. Suites of labs run in parallel, and each lab waits here for a
/// lane.
///
/// A lab that makes a claim about time takes all lanes, so that no other test's lab starves its nodes. Such labs come
/// last: while one waits for all lanes, those that are free would stand idle.
public final class LabLanes: Sendable {
    /// `LABRUN_TEST_LANES` says how many there are; two when it is not set.
    public static let shared = LabLanes(
        ProcessInfo.processInfo.environment["LABRUN_TEST_LANES"].flatMap(Int.init) ?? 2)

    private struct State {
        var free: Int
        /// Labs that wait for one lane, and those that wait for all of them, each in the order in which they came.
        var waitingForOne: [CheckedContinuation<Void, Never>] = []
        var waitingForAll: [CheckedContinuation<Void, Never>] = []
    }

    private let lanes: Int
    private let state: Mutex<State>

    public init(_ lanes: Int) {
        self.lanes = max(1, lanes)
        state = Mutex(State(free: max(1, lanes)))
    }

    /// Waits for a lane, or for all of them, and holds it until `end` is called.
    public func lane(alone: Bool = false) async -> Lane {
        let wanted = alone ? lanes : 1
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.waitingForOne.isEmpty, state.free >= wanted {
                    state.free -= wanted
                    return true
                }
                if alone {
                    state.waitingForAll.append(continuation)
                } else {
                    state.waitingForOne.append(continuation)
                }
                return false
            }
            if isFree { continuation.resume() }
        }
        return Lane(lanes: self, count: wanted)
    }

    private func giveBack(_ count: Int) {
        let next = state.withLock { state in
            state.free += count
            var served: [CheckedContinuation<Void, Never>] = []
            while state.free > 0, !state.waitingForOne.isEmpty {
                state.free -= 1
                served.append(state.waitingForOne.removeFirst())
            }
            if state.free == lanes, !state.waitingForAll.isEmpty {
                state.free = 0
                served.append(state.waitingForAll.removeFirst())
            }
            return served
        }
        for continuation in next { continuation.resume() }
    }

    public struct Lane: Sendable {
        let lanes: LabLanes
        let count: Int
        public func end() { lanes.giveBack(count) }
    }
}
