import Expectations
import Observations
import Readings
import Diagnosis
import Faults
import Foundation
import Lab
import Matrix
import RunEvents
import Scenario

/// One round of a step: what was observed, the cells, and the results.
struct Round: Sendable {
    var observation: Observation
    var cells: [Cell]
    var results: [ExpectationResult]
    var mark: RoundMark
    /// The seconds from the end of the step's actions to the start of this round.
    var since: Double
    /// By what factor the nodes were slower in this round than on a host with time to spare (`EmulatorTimes.stretch`).
    var stretch = 1.0
    /// How busy the host was during this round.
    var host: HostLoad?
    var met: Bool { results.allSatisfy { $0.state == .met } }

    /// Whether more patience may give what this round lacks: answers, or the packets of a cell that the deadline cut
    /// short. A cell that was silent on a busy host counts as not measured, see `Judge.cells`.
    var lacksPatience: Bool {
        zip(cells, observation.measurement.probes).contains { cell, probe in
            probe.wasCutShort
                || cell.observed.lacksAnswers && (cell.verdict == .fail || cell.verdict == .notMeasured)
        }
    }

    /// Judges again with regard to the host. Failures that a host without a free processor may have caused are taken
    /// back, see `StepTime.judged`. Silent cells follow their results, while an answer stays a measurement.
    ///
    /// - Parameter certain: The names of the results that more time would not have changed.
    mutating func judge(_ time: StepTime, certain: Set<String>) {
        results = time.judged(results, except: certain)
        guard time.isLacking else { return }
        for index in cells.indices where cells[index].verdict == .fail && cells[index].observed.lacksAnswers {
            cells[index].verdict = .notMeasured
        }
    }
}

extension ScenarioRun {
    /// Rounds are measured until this many in a row agree with the expectations.
    static let agreements = 2

    /// Runs a step: actions, then rounds of measuring until the expectations hold, then the diagnosis.
    func run(_ step: Step, index: Int) async throws -> Verdict {
        let started = ContinuousClock.now
        emitter.emit(
            .stepStarted(
                StepHeader(
                    index: index, name: step.name, title: step.title, actions: step.actions.map(words(of:)),
                    startedAt: Date())))
        let expectations = step.expect ?? Expectations()
        let watch = HostWatch()
        await watch.start()
        defer { Task { await watch.stop() } }
        var start = await counts(flowCaches: expectations.needs.contains(.flowCache))
        if expectations.needs.contains(.events) {
            // What happened while the lab was made ready is the first step's.
            start.events = index == 0 ? ServedEvents(events: []) : await collector.events()
        }
        let opened = ContinuousClock.now
        let streams = try await openStreams(for: expectations.needs)
        if let streams, expectations.needs.contains(.servedStreams) {
            start.streams = try await served(streams, since: start)
        }
        var verdicts: [Verdict] = []
        for action in step.actions { verdicts.append(try await perform(action, step: index)) }
        let acted = ContinuousClock.now
        // Actions may have had nodes join and leave.
        let judge = Judge(
            expectations, nodeCount: cluster.presentNodes.count, answeredBefore: answered,
            identitiesBefore: identities)
        let phase: Phase = index == 0 && step.actions.isEmpty ? .baseline : step.heals ? .converge : .measure
        var rounds = try await emitter.phase(phase) {
            try await measure(
                judge, index: index, acted: acted, start: start, watch: watch, once: step.expect == nil)
        }
        guard var last = rounds.popLast() else { throw LabError(.request, "step \(step.name) measured nothing") }
        // The rounds are over. What follows takes time that does not count as the lab's.
        var measured = (ContinuousClock.now - acted).inSeconds
        var starved = Starvation(await watch.readings(since: acted)).total
        let streamsRead = if let streams { try await readAndClose(streams) } else { [StreamObservation]() }
        let starvation = Starvation(await watch.readings(since: opened))
        var unproven: [Round] = []
        var told: String?
        while true {
            last.observation.streams = streamsRead
            last.observation.starvation = starvation
            let agreed = last.met
            try await emitter.phase(.diagnose) { try await diagnose(&last, judge: judge) }
            guard agreed, let lacking = last.results.first(where: { $0.state != .met }),
                (ContinuousClock.now - acted).inSeconds < expectations.within
            else { break }
            // Every outcome is as expected, but nothing on record explains one of them: a packet that was lost is no
            // proof of a denial.
            unproven.append(last)
            let doubt = "\(lacking.name): \(lacking.message)"
            if doubt != told { emitter.log(.warning, "runner", "\(step.name): measured again: \(doubt)") }
            told = doubt
            emitRound(last, index: index, provisional: true)
            rounds.append(last)
            rounds += try await emitter.phase(phase) {
                try await measure(judge, index: index, acted: acted, start: start, watch: watch, once: false)
            }
            if let next = rounds.popLast() { last = next }
            measured = (ContinuousClock.now - acted).inSeconds
            starved = Starvation(await watch.readings(since: acted)).total
        }
        let converged = (rounds + [last]).reversed().prefix { $0.met }.last?.since
        let time = StepTime(
            agreedAfter: converged, elapsed: measured, within: expectations.within, starved: starved)
        // What actions change may come late. Without any there is nothing to wait for that would end an answer.
        let certain = step.actions.isEmpty ? judge.certain(last.observation, cells: last.cells) : []
        last.judge(time, certain: certain)
        emitJudged(last, index: index, expectations)
        if let (first, end) = await watch.whole() {
            emitter.emit(.hostLoad(step: index, HostLoad(from: first, to: end)))
        }
        identities[step.name] = last.observation.identities
        let elapsed = (ContinuousClock.now - acted).inSeconds
        // After actions, the rounds until the expectations hold are no retries, but what the step waits for.
        let retried = step.actions.isEmpty ? rounds : unproven
        let all = (last.results + judge.final(last.observation, time: time)).map {
            $0.retried(in: retried, seconds: elapsed)
        }
        for expectation in all { emitter.emit(.expectation(step: index, expectation)) }
        verdicts.append(Judge.verdict(of: all))
        if let unmet = all.first(where: { $0.state == .unmet || $0.state == .error || $0.state == .inconclusive }),
            failure == nil
        {
            failure = "\(step.name): \(unmet.name): \(unmet.message)"
        }
        let verdict = Verdict.worst(of: verdicts)
        emitJoins(step: index)
        emitter.emit(
            .stepFinished(
                step: index,
                StepResult(
                    verdict: verdict, durationSeconds: (ContinuousClock.now - started).inSeconds,
                    convergenceSeconds: converged)))
        return verdict
    }

    /// Measures rounds until `agreements` in a row meet every expectation, or the step's time is over. The last round
    /// is judged. Time in which the host kept the nodes from running is added, up to a multiple of the step's time.
    private func measure(
        _ judge: Judge, index: Int, acted: ContinuousClock.Instant, start: StepCounts, watch: HostWatch,
        once: Bool
    ) async throws -> [Round] {
        var rounds: [Round] = []
        var agreed = 0
        while true {
            try Task.checkCancellation()
            let since = (ContinuousClock.now - acted).inSeconds
            let round = try await self.round(judge, since: since, start: start, watch: watch)
            agreed = round.met ? agreed + 1 : 0
            rounds.append(round)
            answered.formUnion(PositiveControl.answering(round.cells))
            learnPatience(from: round)
            let over = TimeClaim.isOver(
                elapsed: (ContinuousClock.now - acted).inSeconds, within: judge.expectations.within,
                starved: Starvation(await watch.readings(since: acted)).total)
            // An agreement is confirmed by a second round even after the time is over, since a single one decides
            // nothing.
            if once || agreed >= Self.agreements || (over && agreed == 0) { return rounds }
            emitRound(round, index: index, provisional: true)
        }
    }

    /// Only a lab without a fault in force shows how fast its nodes are, as a fault may delay packets without losing
    /// them.
    private func learnPatience(from round: Round) {
        let probes = round.observation.measurement.probes
        if active.isEmpty {
            let slowest = probes.compactMap(\.latencyMicros).max().map { Double($0) / 1e6 }
            patience.learn(slowest: slowest, stretch: round.stretch)
        }
        if round.lacksPatience { patience.doubt(stretch: round.stretch) }
        guard patience.factor >= 2, !saidPatience else { return }
        saidPatience = true
        let times = (round.stretch * 10).rounded() / 10
        emitter.log(
            .warning, "runner",
            "this host is busy, its nodes take \(times) times as long: probes may wait up to "
                + "\(Int(ProbePatience.most)) deadlines of \(patience.asked) s")
    }

    private func round(
        _ judge: Judge, since: Double, start: StepCounts, watch: HostWatch
    ) async throws -> Round {
        // Pods that wait are tried again, as a kubelet does.
        try await cluster.retryWaitingPods()
        let mark = await collector.mark()
        let began = ContinuousClock.now
        let endpoints = await cluster.endpoints
        let plan = await plan(over: endpoints)
        let (waited, healthWaited) = (patience.deadline, patience.factor)
        async let health = collector.health(deadline: .seconds(healthWaited))
        let measurement = await cluster.measure(plan)
        var observation = Observation(endpoints: measurement.endpoints, measurement: measurement)
        (observation.health, observation.healthMissing) = await health
        let readings = await watch.readings(since: began)
        let load = HostLoad(from: readings[0], to: readings[readings.count - 1])
        let stretch = readings[readings.count - 1].emulators.stretch(
            since: readings[0].emulators, seconds: load.seconds)
        observation.silence = SilenceDoubt(
            asked: patience.asked, waited: waited,
            starved: Starvation(readings).most(within: waited))
        observation.healthSilence = SilenceDoubt(
            asked: 1, waited: healthWaited, starved: Starvation(readings).most(within: healthWaited))
        observation.nodes = await collector.nodes()
        observation.nodeCount = observation.nodes.count
        let needs = judge.expectations.needs
        if needs.contains(.identities) {
            (observation.identities, observation.identitiesMissing) = await collector.identities()
        }
        observation.pods = await collector.pods()
        if needs.contains(.kubeProxy) {
            observation.kubeProxies = await collector.kubeProxies()
        }
        if needs.contains(.serverConnections) {
            observation.serverConnections = await collector.serverConnections()
        }
        observation.objects = await collector.objects(needs.compactMap(\.object))
        if needs.contains(.events) {
            observation.events = await collector.events().since(start.events)
        }
        await collector.waitForTry(of: observation.nodes, since: mark.fabric, within: .seconds(5))
        let wire = await collector.wire(since: mark.fabric)
        let flowLog = await collector.flowLog(since: mark.fabric)
        observation.wire = wire.packets
        observation.flowLog = flowLog.records
        observation.recordingIsComplete = wire.isComplete && flowLog.isComplete
        let now = await counts(flowCaches: needs.contains(.flowCache))
        observation.agentRestarts = now.restarts(since: start)
        observation.flowCaches = now.flowCaches(since: start)
        observation.servedStreams = start.streams
        let cells = judge.cells(observation)
        return Round(
            observation: observation, cells: cells, results: judge.rounds(observation, cells: cells), mark: mark,
            since: since, stretch: stretch, host: load)
    }

    /// Adds the agents' events, the why-chains and the findings to the round that is judged.
    private func diagnose(_ round: inout Round, judge: Judge) async throws {
        let evidence = await collector.evidence(of: round.observation, since: round.mark)
        let account = Diagnosis.account(for: evidence)
        round.observation.findings = account.findings
        round.observation.unexplained = account.unexplained
        round.observation.silentFindings = account.silent
        round.observation.datapathGaps = evidence.datapathGaps
        round.observation.paths = account.paths
        round.cells = judge.cells(round.observation)
        round.results = judge.rounds(round.observation, cells: round.cells)
        round.observation.nodes = evidence.nodes
    }

    /// Emits the round that was judged, and what its diagnosis found.
    private func emitJudged(_ round: Round, index: Int, _ expectations: Expectations) {
        emitRound(round, index: index, provisional: false)
        let found = round.observation.findings
        let expected = expectations.of(DiagnosisExpectation.self).first?.id
        emitter.emit(.diagnosis(step: index, DiagnosisRecord(expected: expected, found: found)))
    }

    private func emitRound(_ round: Round, index: Int, provisional: Bool) {
        let measurement = round.observation.measurement
        emitter.emit(
            .matrix(
                step: index,
                MatrixRecord(
                    endpoints: measurement.endpoints, cells: round.cells, seconds: measurement.seconds,
                    longestRoundTripMicros: measurement.longestRoundTripMicros, provisional: provisional)))
        if let host = round.host { emitter.emit(.hostLoad(step: index, host)) }
        if !provisional { emitter.emit(.health(step: index, round.observation.health)) }
    }

    /// Reads what a step counts from its beginning.
    ///
    /// - Parameter flowCaches: Whether nodes are asked for what they forwarded, too.
    private func counts(flowCaches: Bool) async -> StepCounts {
        var counts = StepCounts()
        for node in cluster.nodes {
            let state = await node.state
            counts.starts[node.name] = state.agent?.starts ?? 0
            counts.boots[node.name] = state.boots
        }
        if flowCaches { counts.flowCaches = await collector.flowCaches() }
        return counts
    }

    /// Returns the pairs that the scenario asks for, of the endpoints that exist.
    func plan(over endpoints: [Endpoint]) async -> MeasurementPlan {
        let spec = request.scenario.spec.probes
        var pairs: [MeasurementPlan.Pair] = []
        var known: Set<MeasurementPlan.Pair> = []
        for pair in spec.pairs {
            let targets = endpoints.filter { pair.to.matches($0) }
            for from in endpoints where from.isSender && pair.from.matches(from) {
                for to in targets where to.id != from.id {
                    let pair = MeasurementPlan.Pair(from: from, to: to)
                    if known.insert(pair).inserted { pairs.append(pair) }
                }
            }
        }
        let requests = spec.requests.flatMap { request in
            request.pairs(among: endpoints).map {
                MeasurementPlan.Request(pair: .init(from: $0.from, to: $0.to), request: request)
            }
        }
        return MeasurementPlan(
            pairs: pairs, protocols: spec.protocols, deadline: .seconds(patience.deadline), count: spec.count,
            backends: await cluster.backends(of: endpoints), requests: requests)
    }
}

extension ExpectationResult {
    /// Adds the rounds before the last one in which this expectation was not met.
    func retried(in rounds: [Round], seconds: Double) -> ExpectationResult {
        let earlier = rounds.compactMap { round in round.results.first { $0.name == name && $0.state != .met } }
        return ExpectationResult(
            name: name, state: state, message: message, why: why, seconds: seconds, retries: earlier.count,
            lastUnmet: earlier.last?.message)
    }
}

extension Step {
    var heals: Bool {
        actions.contains { if case .heal = $0 { true } else { false } }
    }
}
