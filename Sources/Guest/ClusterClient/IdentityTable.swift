import ServedObjects
import Synchronization

/// The identities that an agent knows: those that its API server told of, and those that it was told to use itself.
public final class IdentityTable: Sendable {
    private struct State {
        /// What the server has, as told last.
        var served: [UInt32: CiliumIdentity] = [:]
        /// Numbers that were allocated, or known from before, and that the watch need not have shown yet.
        var own: [UInt32: [String]] = [:]
        var numbers: [[String]: UInt32] = [:]
    }
    private let state = Mutex(State())

    public init() {}

    /// The number of a set of labels; nil if nobody has allocated one.
    public func number(of labels: [String]) -> UInt32? { state.withLock { $0.numbers[labels] } }

    /// The labels of a number; nil if it is not known.
    public func labels(of number: UInt32) -> [String]? {
        state.withLock { $0.served[number]?.labels ?? $0.own[number] }
    }

    /// The identity as the server has it; nil if the server has none of this number.
    public func served(_ number: UInt32) -> CiliumIdentity? { state.withLock { $0.served[number] } }

    public var count: Int { state.withLock { $0.numbers.count } }

    /// Remembers a number that was allocated, or is in use from before.
    public func remember(_ number: UInt32, _ labels: [String]) {
        state.withLock { state in
            state.own[number] = labels
            // What the server says wins.
            if let known = state.numbers[labels], state.served[known]?.labels == labels { return }
            state.numbers[labels] = number
        }
    }

    /// Forgets a number that turned out to be another set's.
    public func forget(_ number: UInt32, _ labels: [String]) {
        state.withLock { state in
            if state.own[number] == labels { state.own[number] = nil }
            if state.numbers[labels] == number, state.served[number]?.labels != labels { state.numbers[labels] = nil }
        }
    }

    /// - Parameter unreadable: Numbers of objects of the list that cannot be read. They stay as they were known.
    func list(_ identities: [CiliumIdentity], unreadable: Set<UInt32> = []) {
        state.withLock { state in
            state.served = state.served.filter { unreadable.contains($0.key) }
            for identity in identities { state.served[identity.number] = identity }
            state.numbers = [:]
            // A number that the server gave to others is theirs.
            let served = state.served
            state.own = state.own.filter { number, labels in served[number].map { $0.labels == labels } ?? true }
            for (number, labels) in state.own.sorted(by: { $0.key < $1.key }) { state.numbers[labels] = number }
            // Where two numbers have the same labels, all agents take the same one.
            for identity in state.served.values.sorted(by: { $0.number > $1.number }) {
                state.numbers[identity.labels] = identity.number
            }
        }
    }

    func set(_ identity: CiliumIdentity) {
        state.withLock { state in
            if let before = state.served.updateValue(identity, forKey: identity.number),
                before.labels != identity.labels, state.numbers[before.labels] == identity.number
            {
                state.numbers[before.labels] = nil
            }
            if let labels = state.own[identity.number], labels != identity.labels {
                state.own[identity.number] = nil
                if state.numbers[labels] == identity.number { state.numbers[labels] = nil }
            }
            if let known = state.numbers[identity.labels], known < identity.number,
                state.served[known]?.labels == identity.labels
            {
                return
            }
            state.numbers[identity.labels] = identity.number
        }
    }

    func remove(_ number: UInt32) {
        state.withLock { state in
            guard let gone = state.served.removeValue(forKey: number) else { return }
            // One that is in use here keeps its number: it is created again.
            if state.numbers[gone.labels] == number, state.own[number] != gone.labels {
                // Where two numbers had the same labels, the other one is left.
                state.numbers[gone.labels] = state.served.values.filter { $0.labels == gone.labels }.map(\.number).min()
            }
        }
    }
}
