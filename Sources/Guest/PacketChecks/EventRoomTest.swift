import Datapath
import DatapathModel

/// Checks that traces that nobody reads leave room for drops in the ring buffer, and that each trace without room is
/// counted.
enum EventRoomTest {
    /// The number of runs of one packet between two readings of the counts.
    private static let portion: Int32 = 2048

    static func problems() throws -> [String] {
        guard let traced = HostCases.all.first(where: { $0.name == "to itself" }),
            let dropped = HostCases.all.first(where: { $0.name == "no such pod" })
        else { throw SelftestFailure(description: "no packets to fill the buffer with") }
        var bench = try SelftestBench(.host)
        _ = try bench.observe(traced)
        let program = try bench.object.program(traced.program.rawValue)
        var (runs, lost) = (0, UInt64(0))
        // A record is longer than 32 octets, so the buffer is full before that.
        while lost == 0, runs < RawEventRecord.bufferBytes / 32 {
            _ = try program.testRun(
                packet: traced.packet, interface: TestNode.podInterface, repeating: portion)
            runs += Int(portion)
            lost = EventLog.lost(try bench.readMetrics())
        }
        _ = try bench.run(dropped.program, packet: dropped.packet)
        let events = try bench.drainEvents()
        var problems: [String] = []
        if lost == 0 { problems.append("\(runs) packets were traced, and no event is counted as lost") }
        let traces = events.count { $0.kind == .trace }
        // The dropped packet has one trace besides its drop, the others have two.
        let told = traces + Int(EventLog.lost(try bench.readMetrics()))
        if told != 2 * runs + 1 { problems.append("\(told) traces told or lost of \(2 * runs + 1)") }
        let drops = events.filter { $0.kind == .drop }.map(\.reason)
        if drops != [.unknownEndpoint] { problems.append("drops told when traces have no room: \(drops)") }
        return problems
    }
}
