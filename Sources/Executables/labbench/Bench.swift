import Foundation
import NodeImage
import Reports
import RunEvents

/// One measured figure, its floor, and the bound on their ratio or on the figure itself.
struct Row {
    let name: String
    let value: Double
    let unit: String
    /// The most that it may be, or nil without such a bound.
    let bound: Double?
    /// The least that it may be, or nil without such a bound.
    var floor: Double?
    let how: String
    var holds: Bool { value <= bound ?? .infinity && value >= floor ?? -.infinity }

    /// Returns the same row under a longer name.
    func named(_ prefix: String) -> Row {
        Row(name: prefix + name, value: value, unit: unit, bound: bound, floor: floor, how: how)
    }

    var text: String {
        let goal = bound.map { "at most \(number($0))" } ?? floor.map { "at least \(number($0))" }
        let verdict = goal == nil ? "      " : holds ? "met   " : "missed"
        return "\(verdict) \(name): \(number(value)) \(unit)\(goal.map { ", goal \($0)" } ?? "")  (\(how))"
    }
}

func number(_ value: Double) -> String { String(format: "%.2f", value) }

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    return sorted.count % 2 == 1
        ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
}

struct Bench {
    let labrun: String
    let labverify: String
    let rounds: Int
    let folder: String
    let image: (kernel: String, initrd: String)

    init(labrun: String, labverify: String, rounds: Int) throws {
        self.labrun = labrun
        self.labverify = labverify
        self.rounds = rounds
        folder = NSTemporaryDirectory() + "labbench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard let newest = try ImageStore().list().first(where: { $0.series == .standard }) else {
            throw BenchError("no node image is cached; run `labrun image build` first")
        }
        image = (newest.kernelPath, newest.initrdPath)
    }

    func run() throws -> Measured {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let guests = try PlainGuests(kernel: image.kernel, folder: folder)
        var floors: [Double] = []
        var ready: [Double] = []
        var whole: [Double] = []
        var teardown: [Double] = []
        var memory = PeakMemory()
        // Floor and figure take turns, so that a busy moment of the host affects both.
        for round in 1...rounds {
            say("round \(round) of \(rounds)")
            floors.append(try guests.secondsToUserSpace(count: 3))
            let run = try scenario("vxlan-blocked-8472", "main-\(round)", memory: &memory)
            ready.append(run.report.phases["boot"] ?? .nan)
            teardown.append(run.report.phases["teardown"] ?? .nan)
            whole.append(run.seconds)
            print(
                "round \(round): floor \(number(floors[round - 1])) s, ready \(number(ready[round - 1])) s, "
                    + "scenario \(number(run.seconds)) s")
        }
        say("a matrix of 24 pods")
        let matrix = try scenario("\(Self.root)/bench/pods-24.yaml", "pods-24", memory: &memory)
        guard let measured = matrix.report.steps.last?.matrix else { throw BenchError("no matrix of 24 pods") }
        let roundTrip = Double(measured.longestRoundTripMicros) / 1e6
        let floor = median(floors)
        say("a matrix of 100 pods")
        // Its memory is that of 33 pods a node, while the bounds below are for fewer pods.
        var crowdMemory = PeakMemory()
        let crowd = try scenario("\(Self.root)/bench/pods-100.yaml", "pods-100", memory: &crowdMemory)
        guard let crowded = crowd.report.steps.last?.matrix else { throw BenchError("no matrix of 100 pods") }
        let rows = [
            Row(
                name: "all nodes ready ÷ three plain guests in user space", value: median(ready) / floor, unit: "×",
                bound: 2.0, how: "ready \(number(median(ready))) s, floor \(number(floor)) s, \(rounds) rounds"),
            Row(
                name: "vxlan-blocked-8472, image cached", value: median(whole), unit: "s", bound: 20,
                how: "wall time, \(rounds) rounds"),
            Row(
                name: "matrix of 24 pods, \(measured.cells.count) cells", value: measured.seconds, unit: "s",
                bound: 1.5 * roundTrip + 1, how: "longest round trip \(number(roundTrip * 1000)) ms"),
            Row(
                name: "matrix of 100 pods, \(crowded.cells.count) cells", value: crowded.seconds, unit: "s",
                bound: Self.crowdDeadline + 5, how: "probe deadline \(number(Self.crowdDeadline)) s"),
            Row(name: "teardown", value: teardown.max() ?? .nan, unit: "s", bound: 1, how: "longest"),
            Row(
                name: "labrun, all its processes", value: memory.labrunMiB, unit: "MiB", bound: 150,
                how: "peak proportional set size"),
            Row(name: "a node", value: memory.nodeMiB, unit: "MiB", bound: 400, how: "peak resident of QEMU"),
        ]
        let served = try ControlPlaneRows(labrun: labrun, rounds: rounds, folder: folder).run()
        let many = try ManyObjectsRows(labrun: labrun, folder: folder).run()
        say("the datapath's packets and services, in a node")
        let inNode = try DatapathRows.inNode(labrun: labrun)
        say("the datapath on this machine itself")
        let here = try DatapathRows.here(labverify: labverify)
        return Measured(
            rows: rows + served.rows + many.rows + inNode.rows.map { $0.named("in a node: ") } + here.rows,
            lacks: many.lacks + inNode.lacks + here.lacks)
    }

    /// The deadline that `bench/pods-100.yaml` sets, in seconds.
    private static let crowdDeadline = 10.0

    static var root: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent().path
    }

    /// Runs a scenario to its end. A run that does not pass measures nothing.
    private func scenario(
        _ name: String, _ run: String, memory: inout PeakMemory
    ) throws -> (seconds: Double, report: RunReport) {
        let report = "\(folder)/\(run)"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: labrun)
        process.arguments = ["scenario", name, "--report-dir", report]
        process.standardOutput = FileHandle.nullDevice
        let started = ContinuousClock.now
        try process.run()
        while process.isRunning { memory.sample(below: process.processIdentifier) }
        let taken = ContinuousClock.now - started
        guard process.terminationStatus == 0 else {
            throw BenchError("\(name) ended with \(process.terminationStatus), see \(report)")
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: report + "/report.json"))
        return (
            Double(taken.components.seconds) + Double(taken.components.attoseconds) / 1e18, try RunReport(json: data)
        )
    }
}

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
