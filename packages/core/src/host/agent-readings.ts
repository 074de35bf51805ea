import type { Tap } from '@retina/sdk';
import type { FlowPipeline } from '../flows/pipeline.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import type { FlowSources } from './flow-sources.ts';

/** What of a host its own metrics are read from. */
export interface AgentReadings {
  readonly flows: FlowPipeline;
  readonly sources: FlowSources;
  tapList(): readonly Tap[];
}

/** Brings the agent's own metrics up to date before a reading. */
export function readAgent(agent: AgentMetrics, host: AgentReadings): void {
  const { of } = agent;
  of.retina_flow_records_total.set(host.flows.records);
  let parsed = 0;
  for (const [component, { packets, lost }] of host.sources.totals()) {
    parsed += packets;
    const labels = [agent.label('kernel'), agent.label(component)] as const;
    of.controlplane_networkobservability_lost_events_counter.set(lost, ...labels);
    of.retina_lost_records_total.set(lost, ...labels);
  }
  of.controlplane_networkobservability_parsed_packets_counter.set(parsed);
  for (const { name, failedRecords } of host.flows.stats()) {
    of.retina_lost_records_total.set(failedRecords, agent.label('sink'), agent.label(name));
  }
  for (const { source, records, packets } of host.flows.asides()) {
    of.retina_flow_not_selected_records_total.set(records, agent.label(source));
    of.retina_flow_not_selected_packets_total.set(packets, agent.label(source));
  }
  of.retina_taps.clear();
  for (const { role, mode } of host.tapList()) of.retina_taps.add(1, agent.label(role), agent.label(mode));
}
