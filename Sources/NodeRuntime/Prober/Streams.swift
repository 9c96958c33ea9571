import NodeProtocol

final class Streams: Sendable {
    func open(_ plan: StreamPlan, namespacePath: @escaping @Sendable (PodReference) -> String) throws {}
    func read(_ id: UInt64) throws -> [StreamReading] { [] }
    func close(_ id: UInt64) throws {}
}
