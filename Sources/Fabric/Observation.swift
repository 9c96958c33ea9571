import LinuxKernel

/// What is seen of the traffic: captures of the taps, their index, and the flow log.
final class Observation: Sendable {
    init(_ spec: FabricSpec) {}
    func start() throws {}
    func attach(_ nic: NICSpec) throws {}
    func detach(_ nic: NICSpec) {}
    func stop() throws {}
    func captureStatistics() -> [CaptureStatistics] { [] }
    func lostRejects() -> UInt64 { 0 }
    func sightings(since: MonotonicTime?, matching filter: FlowFilter) -> SightingPage {
        SightingPage(sightings: [], isComplete: false)
    }
    func flowRecords(since: MonotonicTime?) -> [FlowRecord] { [] }
}
