/// A value that tasks wait for, with a deadline. Every change wakes those whose condition now holds.
actor Observed<Value: Sendable> {
    private struct Waiter {
        let condition: @Sendable (Value) -> Bool
        let continuation: CheckedContinuation<Bool, Never>
    }
    private(set) var value: Value
    private var waiters: [Int: Waiter] = [:]
    private var nextWaiter = 0

    init(_ value: Value) { self.value = value }

    func update(_ change: @Sendable (inout Value) -> Void) {
        change(&value)
        for (id, waiter) in waiters where waiter.condition(value) {
            waiters[id] = nil
            waiter.continuation.resume(returning: true)
        }
    }

    /// Whether the condition became true before the deadline. If not, the value shows how far things got.
    func wait(within deadline: Duration, until condition: @escaping @Sendable (Value) -> Bool) async -> Bool {
        if condition(value) { return true }
        let id = nextWaiter
        nextWaiter += 1
        let timer = Task { [weak self] in
            try? await Task.sleep(for: deadline)
            await self?.expire(id)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: false)
                } else {
                    waiters[id] = Waiter(condition: condition, continuation: continuation)
                }
            }
        } onCancel: {
            Task { await self.expire(id) }
        }
    }

    private func expire(_ id: Int) {
        waiters.removeValue(forKey: id)?.continuation.resume(returning: false)
    }
}
