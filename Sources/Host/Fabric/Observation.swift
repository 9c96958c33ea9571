import Dispatch
import Glibc
import LinuxKernel
import NetAddress
import Synchronization

/// What is seen of the traffic: the captures of the taps, the packets remembered of them, and the flow log. One thread
/// does the work. Before a question is answered, it takes all that waits in the kernel's buffers.
final class Observation: Sendable {
    private let spec: FabricSpec
    private let control: Mutex<Control>
    private let memory: Mutex<ObservedTraffic>
    private let wake: WakePipe

    /// What the thread can be asked for.
    enum Command {
        case attach(TapCapture)
        case detach(String, done: DispatchSemaphore)
        case catchUp(CheckedContinuation<Void, Never>)
        case endFiles(CheckedContinuation<Void, Never>)
        case record(directory: String, CheckedContinuation<Void, any Error>)
        case stop(CheckedContinuation<Void, Never>)
    }

    private struct Control {
        var commands: [Command] = []
        var isRunning = false
        /// The folder of the files that are being written, or nil if nothing is written.
        var directory: String?
    }

    init(_ spec: FabricSpec) throws {
        self.spec = spec
        control = Mutex(Control(directory: spec.outputDirectory))
        memory = Mutex(ObservedTraffic(spec))
        wake = try WakePipe()
    }

    /// - Parameter discards: The log of the packets that the router discards; nil without a router.
    func start(discards: consuming PcapHandle?) throws {
        let log = try PcapHandle(device: "nflog:\(spec.logGroup)", snapLength: 65_535, bufferSize: 1 << 20)
        var file: FlowLogFile?
        if let directory = spec.outputDirectory {
            file = try FlowLogFile(directory: directory, accountID: spec.accountID)
        }
        let loop = ObservationLoop(
            log: log, discards: discards, file: file, accountID: spec.accountID, descriptor: wake.readEnd)
        control.withLock { $0.isRunning = true }
        startThread("capture") { [self] in loop.run(self) }
    }

    func attach(_ nic: NICSpec, isCloud: Bool = false) throws {
        memory.withLock { $0.attach(nic, isCloud: isCloud) }
        guard let capture = spec.capture else { return }
        send(.attach(try TapCapture(nic, spec: capture, directory: control.withLock { $0.directory })))
    }

    func update(_ nic: NICSpec) {
        memory.withLock { $0.update(nic) }
    }

    /// Ends the capture of an interface and waits until it has taken its last packets. After that the interface may be
    /// deleted.
    func detach(_ nic: NICSpec) {
        let done = DispatchSemaphore(value: 0)
        if send(.detach(nic.interfaceID, done: done)) { done.wait() }
        memory.withLock { $0.detach(nic) }
    }

    func stop() async {
        await withCheckedContinuation { if !send(.stop($0)) { $0.resume() } }
    }

    /// Writes what came so far, and closes the files. What comes later is remembered, but written nowhere.
    func endFiles() async {
        control.withLock { $0.directory = nil }
        await withCheckedContinuation { if !send(.endFiles($0)) { $0.resume() } }
    }

    /// Begins new files in a folder, for what comes from now on.
    ///
    /// - Throws: `SystemError` if a file cannot be created; `FabricError` `.unknown` after `stop`.
    func record(in directory: String) async throws {
        control.withLock { $0.directory = directory }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            if !send(.record(directory: directory, continuation)) {
                continuation.resume(throwing: FabricError(.unknown, "the fabric has stopped"))
            }
        }
    }

    func sightings(since: MonotonicTime?, matching filter: FlowFilter) async -> SightingPage {
        await catchUp()
        return memory.withLock { $0.sightings(since: since, matching: filter) }
    }

    func flowRecords(since: MonotonicTime?) async -> FlowRecordPage {
        await catchUp()
        return memory.withLock { $0.flowRecords(since: since) }
    }

    func discards(since: MonotonicTime?, counted: UInt64?, isStopped: Bool) async -> DiscardPage {
        if !isStopped { await catchUp() }
        return memory.withLock { $0.discards(since: since, counted: counted) }
    }

    func captureStatistics() async -> [CaptureStatistics] {
        await catchUp()
        return memory.withLock { $0.captureStatistics }
    }

    /// The number of denied packets without a record in the netfilter log.
    ///
    /// - Parameter denied: The sum of the rules' counters, read before the call, so that a difference is a loss.
    func lostRejects(denied: UInt64) async -> UInt64 {
        await catchUp()
        return memory.withLock { $0.compareRejects(denied: denied, at: MonotonicTime.now.nanoseconds) }
    }

    /// What failed apart from captures of interfaces. Each failure is listed once.
    var failures: [String] { memory.withLock { $0.failures } }

    private func catchUp() async {
        await withCheckedContinuation { if !send(.catchUp($0)) { $0.resume() } }
    }

    /// Hands the thread a command.
    ///
    /// - Returns: Whether the thread runs and will see the command.
    @discardableResult
    private func send(_ command: Command) -> Bool {
        let isRunning = control.withLock { control in
            guard control.isRunning else { return false }
            if case .stop = command { control.isRunning = false }
            control.commands.append(command)
            return true
        }
        if isRunning { wake.signal() }
        return isRunning
    }

    // Called by the thread.

    func takeCommands() -> [Command] {
        wake.clear()
        return control.withLock { control in
            defer { control.commands = [] }
            return control.commands
        }
    }

    func remember(_ body: (inout ObservedTraffic) -> Void) {
        memory.withLock { body(&$0) }
    }
}

/// A pipe that wakes a thread from poll(2).
struct WakePipe: ~Copyable, Sendable {
    private let pipe: LinuxKernel.Pipe

    init() throws(SystemError) {
        let made = try Pipe()
        try made.readEnd.setNonBlocking()
        try made.writeEnd.setNonBlocking()
        pipe = made
    }

    var readEnd: Int32 { pipe.readEnd.rawValue }

    func signal() {
        // If the pipe is full the thread will wake anyway.
        try? pipe.writeEnd.writeAll([0])
    }

    func clear() {
        _ = try? pipe.readEnd.read(upTo: 4096)
    }
}
