import Foundation

// `make bench`: times and sizes of labrun, each as a ratio against a floor measured in the same run.
// Usage: labbench [ROUNDS | datapath]; `datapath` measures only the datapath, on this machine itself. LABRUN and LABVERIFY name the
// programs that are measured.

let argument = CommandLine.arguments.dropFirst().first
let rounds = argument.flatMap { Int($0) } ?? 3
let labrun = ProcessInfo.processInfo.environment["LABRUN"] ?? ".build/release/labrun"
let labverify = ProcessInfo.processInfo.environment["LABVERIFY"] ?? ".build/release/guest/labverify"

do {
    let rows =
        argument == "datapath"
        ? try DatapathRows.here(labverify: labverify)
        : try Bench(labrun: labrun, labverify: labverify, rounds: max(1, min(rounds, 20))).run()
    for row in rows { print(row.text) }
    let over = rows.filter { !$0.holds }
    print(over.isEmpty ? "every bound holds" : "\(over.count) of \(rows.count) bounds do not hold")
    exit(over.isEmpty ? 0 : 1)
} catch {
    FileHandle.standardError.write(Data("labbench: \(error)\n".utf8))
    exit(2)
}
