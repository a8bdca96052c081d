/** Figures over time, as a chart gets them and as a table that a screen reader reads. */
export interface Series {
  readonly label: string;
  readonly color: string;
  readonly values: readonly (number | null)[];
  /** Shown behind the number. */
  readonly unit?: string;
}

interface TableProps {
  readonly label: string;
  /** Unix seconds, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
}

export function SeriesTable({ label, times, series }: TableProps) {
  return (
    <div className="for-readers">
      <table>
        <caption>{label}</caption>
        <thead>
          <tr>
            <th>Time</th>
            {series.map(({ label: name }) => (
              <th key={name}>{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.slice(-48).map((time, i) => (
            <tr key={time}>
              <td>{new Date(time * 1000).toISOString()}</td>
              {series.map(({ label: name, values }) => (
                <td key={name}>{values.slice(-48)[i] ?? '–'}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
