import Foundation
import KubeletConformance

// `make bench`: times and sizes of labrun, each as a ratio against a floor measured in the same run.
//
// Usage: labbench [ROUNDS | datapath | control-plane | many-objects | conformance FOLDER | compare LIGHT REAL];
// `datapath` measures only the datapath, on this machine itself, `control-plane` only what a control plane costs, and
// `many-objects` of that only the lab of 16 nodes; `conformance` compares the two kubelets, whose reports it leaves in the folder, and `compare`
// the folders of artifacts of two such runs. LABRUN and
// LABVERIFY name the programs that are measured. Exit status: 0 every goal is met; 1 one is not; 2 wrong usage, or a
// measurement failed; 3 nothing could be measured.

let words = Array(CommandLine.arguments.dropFirst())
if words.count == 2, words[0] == "conformance" || words.count == 3, words[0] == "compare" { Conformance.main(words) }
let argument = CommandLine.arguments.dropFirst().first
let parts = ["datapath", "control-plane", "many-objects"]
let part = argument.flatMap { parts.contains($0) ? $0 : nil }
let rounds = part == nil ? argument.map { Int($0) ?? 0 } ?? 3 : 3
guard CommandLine.arguments.count < 3, (1...20).contains(rounds) else {
    let known = parts.joined(separator: ", ")
    try? FileHandle.standardError.write(
        contentsOf: Data("labbench: expected a number of rounds from 1 to 20, or one of \(known)\n".utf8))
    exit(2)
}
let labrun = ProcessInfo.processInfo.environment["LABRUN"] ?? ".build/release/labrun"
let labverify = ProcessInfo.processInfo.environment["LABVERIFY"] ?? ".build/release/guest/labverify"

do {
    let measured =
        switch part {
        case "datapath": try DatapathRows.here(labverify: labverify)
        case "control-plane": try ControlPlaneRows.alone(labrun: labrun, rounds: rounds, hasSmallLabs: true)
        case "many-objects": try ControlPlaneRows.alone(labrun: labrun, rounds: rounds, hasSmallLabs: false)
        default: try Bench(labrun: labrun, labverify: labverify, rounds: rounds).run()
        }
    for row in measured.rows { print(row.text) }
    for lack in measured.lacks { print("not measured: \(lack)") }
    guard !measured.rows.isEmpty else {
        try? FileHandle.standardError.write(contentsOf: Data("labbench: nothing was measured\n".utf8))
        exit(3)
    }
    let goals = measured.rows.filter { $0.bound != nil || $0.floor != nil }
    let missed = goals.filter { !$0.holds }
    let unmeasured = measured.lacks.isEmpty ? "" : "; \(measured.lacks.count) parts were not measured"
    print("\(goals.count - missed.count) of \(goals.count) goals are met" + unmeasured)
    exit(missed.isEmpty ? 0 : 1)
} catch {
    try? FileHandle.standardError.write(contentsOf: Data("labbench: \(error)\n".utf8))
    exit(2)
}
